"""A segmentation that learns from translated slices: its images, its generator, its run and what it leaves behind.

Joins the rooms: study (cohorts, splits, classes, runs), imaging (stores), evaluation (the saved generator), data (task,
loader), networks, methods and training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from medcl.data.labelled_patients import choose_labelled_patients
from medcl.data.labelled_source_task import LabelledSourceTask, source_samples
from medcl.data.loader import Loader
from medcl.data.samples import Samples
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.source import TaskSource
from medcl.evaluation.saved_segmenter import STEM, unet_architecture
from medcl.evaluation.saved_translator import SavedTranslator, load_translator
from medcl.methods.translated import Translated
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import classes_to_json
from medcl.study.runs import Run
from medcl.training.device import resolve_device
from medcl.training.distributed import is_main, own_rows, world_size
from medcl.training.dry_run import Forecast, dry_run
from medcl.training.export import export_encoder, restore_best
from medcl.training.randomness import seed_everything
from medcl.training.result import TrainingResult
from medcl.workflows.device_cache import cache_bytes
from medcl.workflows.finished_run import finished_run
from medcl.workflows.segmentation_training import augmentation_of
from medcl.workflows.starting_weights import refuse_leaking_weights
from medcl.workflows.training_folder import train_in
from medcl.workflows.translated_options import NONE, TRANSLATED
from medcl.workflows.translation_images import INPUTS as OF_IMAGES
from medcl.workflows.translation_images import DomainImages, read_domains

if TYPE_CHECKING:
    from medcl.workflows.segment_train import SegmentTrainOptions

OPTION = "--translation"

INPUTS = {**OF_IMAGES, "translation": f"the generator of {OPTION}"}
"""What goes into a run, in words."""


@dataclass(frozen=True)
class PreparedTranslated:
    """All that a training needs, checked.

    Attributes:
        images: of source and target; the target's are told apart and not learned from.
        samples: slices of the source.
        labelled: ids of the training patients whose masks are learned from.
        translator: the generator; None learns from slices as they are.
        device: where it trains.
        notes: what the user should know before the training starts.
        inputs: hashes of what goes in, for run.json.
    """

    images: DomainImages
    samples: Samples
    labelled: list[str]
    translator: SavedTranslator | None
    device: torch.device
    notes: list[str]
    inputs: dict[str, str]


@dataclass(frozen=True)
class MadeTranslated:
    """A training, ready to begin."""

    task: LabelledSourceTask
    method: Translated
    source: TaskSource


def prepare(study: Study, options: SegmentTrainOptions) -> PreparedTranslated:
    """Read the study and the translation's run, and refuse what cannot be trained on.

    Raises:
        BadInput: with what is missing or wrong.
    """
    device = resolve_device(options.device)
    images = read_domains(study, options, options.seed, masks=True)
    translator, told = _translator(study, options, images, device)
    samples = source_samples(images.domains)
    return PreparedTranslated(
        images=images,
        samples=samples,
        labelled=list(choose_labelled_patients(samples).patients),
        translator=translator,
        device=device,
        notes=[*images.notes, told],
        inputs={**images.inputs, "translation": _weights(translator)},
    )


def build(prepared: PreparedTranslated, options: SegmentTrainOptions) -> MadeTranslated:
    """Make the task, the method and the loader.

    Raises:
        BadInput: the batches or the slices' size cannot be used.
    """
    samples = prepared.samples
    task = LabelledSourceTask(
        samples,
        prepared.labelled,
        SegmentationTaskOptions(
            seed=options.seed,
            batch_size=options.batch_size,
            supervised=True,
            steps=options.steps_per_epoch,
            empty_share=options.empty_slices,
        ),
    )
    if task.batch_size < world_size():
        raise BadInput(
            f"A batch of {task.batch_size} slices cannot be shared among {world_size()} processes. Use fewer --gpus or "
            "--nodes, or a larger --batch-size."
        )
    seed_everything(options.seed)  # the segmenter's first weights follow the seed
    classes = prepared.images.classes
    segmenter = UNet(samples.size, len(classes) + 1, options.widths, options.deep_supervision)
    if options.compile:
        segmenter.compile()  # in place: names of weights stay
    generator = None if prepared.translator is None else prepared.translator.network
    loader = Loader(
        samples,
        augmentation_of(options),
        seed=options.seed,
        device=prepared.device,
        workers=options.workers,
        cache_bytes=cache_bytes(options.cache, prepared.device),
        classes=[each.value for each in classes],
    )
    method = Translated(segmenter, generator, options.average)
    return MadeTranslated(task, method, TaskSource(task, loader, own_rows))


def train_translated(
    prepared: PreparedTranslated, made: MadeTranslated, options: SegmentTrainOptions, run: Run
) -> TrainingResult:
    """Train in the run's folder and export the network of its best epoch; of several ranks the first one writes."""
    result = train_in(
        run.path,
        made.method,
        made.task,
        made.source,
        prepared.images.splits.only(1),
        options,
        device=prepared.device,
        inputs=prepared.inputs,
    )
    if is_main():
        epoch = restore_best(made.method, result.best)
        export_encoder(made.method.kept, run.path, {**_card(prepared, options), "run": run.name, "epoch": epoch}, STEM)
    return result


def dry_run_translated(prepared: PreparedTranslated, options: SegmentTrainOptions) -> Forecast:
    """Train two steps and tell what the run would take; nothing is written."""
    made = build(prepared, options)
    return dry_run(made.method, made.source, options.settings(), device=prepared.device, options={})


def _translator(
    study: Study, options: SegmentTrainOptions, images: DomainImages, device: torch.device
) -> tuple[SavedTranslator | None, str]:
    """The generator that is asked for, and a note about it."""
    assert options.translation is not None  # the options see to it
    if options.translation == NONE:
        return None, "Learns from source slices as they are, without a translation."
    run = finished_run(study, "translate", options.translation, f"{OPTION} ")
    saved = load_translator(run.path, device)
    _refuse_other_slices(run, saved, images)
    for store in (images.source, images.target):
        refuse_leaking_weights(run.path, study, store, images.splits.of(1), option=OPTION, validation=True)
    return saved, f"Learns from slices that the run {run.name} translates."


def _refuse_other_slices(run: Run, saved: SavedTranslator, images: DomainImages) -> None:
    """Refuse a generator that was trained on slices made otherwise, or of the other direction."""
    problems = []
    if saved.size != images.size:
        there, here = (" x ".join(map(str, size[1:])) for size in (saved.size, images.size))
        problems.append(f"it translates slices of {there} pixels (y x), and these have {here}")
    for side, store in (("source", images.source), ("target", images.target)):
        recipe = getattr(saved, side)
        if recipe.key() != store.recipe.key():
            differences = "; ".join(store.recipe.differences(recipe.to_json()))
            problems.append(
                f"its {side} was prepared by another recipe (there) than {store.path.name} (now): {differences}"
            )
    if problems:
        raise BadInput(
            [
                *(f"{OPTION} {run.name}: {problem}." for problem in problems),
                "Name the stores that it was trained on with --source-preprocessed and --target-preprocessed, or train "
                "a translation on these.",
            ]
        )


def _weights(translator: SavedTranslator | None) -> str:
    return NONE if translator is None else str(translator.card["weights_sha256"])[:16]


def _card(prepared: PreparedTranslated, options: SegmentTrainOptions) -> dict[str, Any]:
    """What another program must know to use the network: it is one of target images."""
    images = prepared.images
    target = images.card("target", options)
    told = {name: target[name] for name in ("recipe", "recipe_key", "modalities", "spacing", "preprocessed")}
    translator = prepared.translator
    return {
        "architecture": unet_architecture(
            images.size, len(images.classes) + 1, options.widths, options.deep_supervision
        ),
        "classes": classes_to_json(images.classes),
        "method": TRANSLATED,
        "labelled_patients": prepared.labelled,
        **told,
        "source": images.card("source", options),
        "target": target,
        "translation": None
        if translator is None
        else {"run": translator.card.get("run", ""), "weights_sha256": translator.card["weights_sha256"]},
        "data": images.inputs["source_volumes"],
    }
