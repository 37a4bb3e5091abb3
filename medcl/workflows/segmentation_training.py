"""A segmentation training: its images and masks, its method, its run and what it leaves behind.

Joins the rooms: study (cohort, splits, label classes, leakage gate), imaging (volume store), data (task, loader),
networks, methods and training.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from medcl.data.augmentation import Augmentation
from medcl.data.labelled_patients import choose_labelled_patients
from medcl.data.loader import Loader
from medcl.data.samples import Samples, build_samples
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.segmentation_task import SegmentationTask
from medcl.data.source import TaskSource
from medcl.evaluation.saved_segmenter import STEM, unet_architecture
from medcl.imaging.store import VolumeStore
from medcl.methods.ideal import Ideal, IdealOptions
from medcl.networks.feature_maps import MAP_STRIDES
from medcl.networks.registry import DEFAULT_NETWORK, UNET
from medcl.networks.segmenter import Segmenter, build_segmenter
from medcl.networks.unet import UNet
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import LabelClass, classes_to_json
from medcl.study.leakage import check_images
from medcl.study.runs import Run
from medcl.study.short_hash import short_hash
from medcl.study.splits import Splits
from medcl.training.device import resolve_device
from medcl.training.distributed import is_main, own_rows, world_size
from medcl.training.dry_run import Forecast, dry_run
from medcl.training.export import export_encoder, load_encoder_weights, read_encoder_card, restore_best
from medcl.training.randomness import seed_everything
from medcl.training.result import TrainingResult
from medcl.workflows.clinical_options import read_options_cohort
from medcl.workflows.device_cache import cache_bytes
from medcl.workflows.mask_classes import classes_of_masks
from medcl.workflows.split_options import split_notes, split_patients
from medcl.workflows.starting_weights import refuse_leaking_weights
from medcl.workflows.training_folder import train_in

if TYPE_CHECKING:
    from medcl.workflows.segment_train import SegmentTrainOptions

INPUTS = {
    "volumes": "the preprocessed volumes and masks",
    "splits": "the split of the patients",
    "labels": "the label classes of medcl.toml or the labelled patients",
}
"""What goes into a run, in words."""

ENCODER_LR_SHARE = 0.1
"""Of the learning rate, for an encoder that is pretrained (ours: 1e-4 beside 1e-3)."""


@dataclass(frozen=True)
class PreparedSegmentation:
    """All that a training needs, checked.

    Attributes:
        store, splits, samples: where the data come from.
        classes: what the masks hold.
        labelled: ids of the labelled patients.
        network: name of the encoder.
        device: where it trains.
        notes: what the user should know before the training starts.
        inputs: hashes of what goes in, for run.json.
    """

    store: VolumeStore
    splits: Splits
    samples: Samples
    classes: list[LabelClass]
    labelled: list[str]
    network: str
    device: torch.device
    notes: list[str]
    inputs: dict[str, str]


@dataclass(frozen=True)
class MadeSegmentation:
    """A training, ready to begin."""

    task: SegmentationTask
    method: Ideal
    source: TaskSource


def prepare(study: Study, options: SegmentTrainOptions) -> PreparedSegmentation:
    """Read the study and refuse what cannot be trained on.

    Raises:
        BadInput: with what is missing or wrong.
    """
    device = resolve_device(options.device)
    store = VolumeStore.open(study.preprocessed(options.preprocessed))
    cohort = read_options_cohort(study, options)
    store = store.only(set(cohort.cases()))
    if not store.entries:
        raise BadInput(f"No image of cohort.csv is in {store.path}: run `medcl preprocess`.")
    splits = split_patients(options, cohort, options.seed)
    sides = splits.of(1)
    check_images(store.entries, sides)
    if options.init_from is not None:
        refuse_leaking_weights(options.init_from, study, store, sides)
    samples = build_samples(store, cohort, sides)
    chosen = choose_labelled_patients(samples, options.labeled, options.labeled_patients, seed=options.seed)
    classes, notes = classes_of_masks(study, store, sides, chosen.patients)
    return PreparedSegmentation(
        store=store,
        splits=splits,
        samples=samples,
        classes=classes,
        labelled=list(chosen.patients),
        network=options.network or _network_of(options),
        device=device,
        notes=[*cohort.notes, *split_notes(splits), *chosen.notes, *notes],
        inputs={
            "volumes": store.fingerprint(),
            "splits": short_hash(splits.frame.to_csv(index=False)),
            "labels": short_hash(json.dumps([classes_to_json(classes), chosen.patients])),
        },
    )


def build(prepared: PreparedSegmentation, options: SegmentTrainOptions) -> MadeSegmentation:
    """Make the task, the method and the loader, and load --init-from.

    Raises:
        BadInput: the batches, the images' size or the weights cannot be used.
    """
    samples = prepared.samples
    task = SegmentationTask(
        samples,
        prepared.labelled,
        SegmentationTaskOptions(
            seed=options.seed,
            batch_size=options.batch_size,
            supervised=options.method == "supervised",
            labelled_share=options.labeled_share,
            steps=options.steps_per_epoch,
            unlabelled_from=options.unlabeled_from,
            empty_share=options.empty_slices,
        ),
    )
    _refuse_small_batches(task, samples.size)
    seed_everything(options.seed)  # the method's first weights follow the seed
    method = _method(prepared, options, task)
    loader = Loader(
        samples,
        augmentation_of(options),
        seed=options.seed,
        device=prepared.device,
        workers=options.workers,
        cache_bytes=cache_bytes(options.cache, prepared.device),
        classes=[each.value for each in prepared.classes],
    )
    return MadeSegmentation(task, method, TaskSource(task, loader, own_rows))


def train_segmentation(
    prepared: PreparedSegmentation, made: MadeSegmentation, options: SegmentTrainOptions, run: Run
) -> TrainingResult:
    """Train in the run's folder and export the network of its best epoch; of several ranks the first one writes."""
    result = train_in(
        run.path,
        made.method,
        made.task,
        made.source,
        prepared.splits.only(1),
        options,
        device=prepared.device,
        inputs=prepared.inputs,
    )
    if is_main():
        epoch = restore_best(made.method, result.best)
        card = {**_card(prepared, options), "run": run.name, "epoch": epoch}
        if prepared.network == UNET:
            unet = unet_architecture(prepared.samples.size, len(prepared.classes) + 1, options.widths, deep=0)
            export_encoder(made.method.kept, run.path, {**card, "architecture": unet}, STEM)
            return result
        architecture = _architecture(prepared)
        export_encoder(made.method.encoder, run.path, {**card, "architecture": architecture})
        network = {"classes": len(prepared.classes) + 1, "decoders": options.chosen_decoders}
        export_encoder(made.method.kept, run.path, {**card, "architecture": {**architecture, **network}}, STEM)
    return result


def dry_run_segmentation(prepared: PreparedSegmentation, options: SegmentTrainOptions) -> Forecast:
    """Train two steps and tell what the run would take; nothing is written."""
    made = build(prepared, options)
    return dry_run(made.method, made.source, options.settings(), device=prepared.device, options={})


def augmentation_of(options: SegmentTrainOptions) -> Augmentation:
    """What may happen to an image, whatever the method."""
    return Augmentation(
        flip_probability=options.flip,
        affine_probability=options.affine,
        rotation_degrees=options.rotation,
        scale=options.scaling,
        blur_sigma=options.blur,
        noise_sd=options.noise,
        gamma=options.gamma,
        brightness=options.brightness,
        contrast=options.contrast,
        sharpness=options.sharpness,
        elastic=options.elastic,
        curve_probability=options.curve,
    )


def _network_of(options: SegmentTrainOptions) -> str:
    """That of --init-from, so that its weights fit."""
    if options.init_from is None:
        return DEFAULT_NETWORK
    architecture = read_encoder_card(options.init_from).get("architecture")
    return str(architecture["network"]) if isinstance(architecture, dict) else DEFAULT_NETWORK


def _method(prepared: PreparedSegmentation, options: SegmentTrainOptions, task: SegmentationTask) -> Ideal:
    size, classes = prepared.samples.size, len(prepared.classes) + 1
    segmenter: Segmenter | UNet
    if prepared.network == UNET:
        segmenter = UNet(size, classes, options.widths)
    else:
        segmenter = build_segmenter(prepared.network, size, classes, options.chosen_decoders)
    if options.init_from is not None:
        _load_encoder(segmenter.encoder, options, prepared)
    if options.compile:
        segmenter.compile()  # in place: names of weights stay
    encoder_lr = options.encoder_lr
    if encoder_lr is None and options.init_from is not None:
        encoder_lr = ENCODER_LR_SHARE * options.lr
    return Ideal(
        segmenter,
        IdealOptions(
            dice_share=0.5 if options.loss == "ce+dice" else 0.0,
            weight=options.consistency_weight,
            ramp_steps=round(options.ramp_up * options.epochs * task.steps),
            confidence=options.confidence,
            teacher=options.teacher,
            mix=options.mix == "copy-paste",
            encoder_lr=encoder_lr,
            seed=options.seed,
        ),
    )


def _load_encoder(encoder: torch.nn.Module, options: SegmentTrainOptions, prepared: PreparedSegmentation) -> None:
    assert options.init_from is not None
    saved = read_encoder_card(options.init_from).get("architecture")
    size = list(saved["size"]) if isinstance(saved, dict) and "size" in saved else None
    flat = prepared.samples.size[0] == 1
    if size is not None and (size[0] == 1) != flat:
        there, here = ("slices", "volumes") if size[0] == 1 else ("volumes", "slices")
        raise BadInput(
            f"--init-from {options.init_from}: its encoder was trained on {there} ({' '.join(map(str, size))}), and "
            f"{options.preprocessed} holds {here} ({' '.join(map(str, prepared.samples.size))}, z y x): pretrain on "
            f"{here}, or choose other volumes with --preprocessed."
        )
    load_encoder_weights(encoder, options.init_from, _architecture(prepared))


def _refuse_small_batches(task: SegmentationTask, size: tuple[int, int, int]) -> None:
    """Refuse batches of which a rank would get nothing, or nothing of a kind: all go through the network as often."""
    processes, labelled = world_size(), task.labelled_images
    unlabelled = task.batch_size - labelled
    if labelled < processes or 0 < unlabelled < processes:
        raise BadInput(
            f"A batch of {labelled} labelled and {unlabelled} unlabelled images cannot be shared among "
            f"{processes} processes. Use fewer --gpus or --nodes, or a larger --batch-size."
        )
    cells = math.prod(-(-voxels // step) for voxels, step in zip(size, MAP_STRIDES[-1], strict=True))
    if cells == 1 and (labelled == 1 or unlabelled == 1):
        raise BadInput(
            f"A batch of {labelled} labelled and {unlabelled} unlabelled images of {' '.join(map(str, size))} voxels: "
            "batch norms need two images of a kind at least where images are so small. Use a larger --batch-size."
        )


def _architecture(prepared: PreparedSegmentation) -> dict[str, Any]:
    return {"network": prepared.network, "size": list(prepared.samples.size), "channels": 1}


def _card(prepared: PreparedSegmentation, options: SegmentTrainOptions) -> dict[str, Any]:
    """What another program must know to use the network."""
    return {
        "classes": classes_to_json(prepared.classes),
        "method": options.method,
        "labelled_patients": prepared.labelled,
        "recipe": prepared.store.recipe.to_json(),
        "recipe_key": prepared.store.recipe.key(),
        "modalities": sorted({entry.modality for entry in prepared.store.entries}),
        "spacing": [round(float(step), 4) for step in prepared.samples.spacings().mean(axis=0)],
        "preprocessed": options.preprocessed,
        "data": prepared.inputs["volumes"],
    }
