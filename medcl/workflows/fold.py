"""One fold of a pretraining: its data, its method, its training and what it leaves behind.

Joins the rooms: study (cohort, splits, leakage gate), imaging (volume store), data (task, loader), methods and
training.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch

from medcl.data.augmentation import PROMPT_VIEWS, Augmentation
from medcl.data.loader import Loader
from medcl.data.plan import Task
from medcl.data.prompt_task import PromptTask
from medcl.data.samples import Samples, build_samples
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.imaging.store import VolumeStore
from medcl.methods.build import MethodOptions, build_method
from medcl.methods.dense import Dense, DenseOptions
from medcl.methods.pair_contrast import PairContrast
from medcl.methods.prompts import PromptContrast
from medcl.methods.simclr import Simclr
from medcl.networks.dense_head import DenseHead
from medcl.study.cohort import Cohort
from medcl.study.errors import BadInput, MedclError
from medcl.study.folder import Study
from medcl.study.leakage import check_images
from medcl.study.runs import Run
from medcl.study.short_hash import short_hash
from medcl.study.splits import Splits
from medcl.training.device import resolve_device
from medcl.training.distributed import is_main, own_rows, world_size
from medcl.training.dry_run import Forecast, dry_run
from medcl.training.export import export_encoder, load_encoder_weights, restore_best
from medcl.training.micro_batch import MicroBatch, choose_micro_batch
from medcl.training.randomness import seed_everything
from medcl.training.result import TrainingResult
from medcl.workflows.clinical_options import read_options_cohort
from medcl.workflows.device_cache import cache_bytes
from medcl.workflows.prompt_training import (
    PROMPTS,
    ReadPrompts,
    export_text_side,
    prompt_method,
    prompt_options,
    read_prompts,
)
from medcl.workflows.split_options import split_notes, split_patients
from medcl.workflows.starting_weights import refuse_leaking_weights
from medcl.workflows.training_folder import train_in

if TYPE_CHECKING:
    from medcl.workflows.pretrain import PretrainOptions

log = logging.getLogger("medcl")


@dataclass(frozen=True)
class Prepared:
    """All that the folds share, checked.

    Attributes:
        study, store, cohort, splits: where the data come from.
        device: where the folds train.
        notes: what the user should know before the training starts.
        inputs: hashes of what goes in, for run.json.
        micro_batch: images that pass the encoder at a time; None is all (see `settle_micro_batch`).
        prompts: of --method prompts; None of the others.
    """

    study: Study
    store: VolumeStore
    cohort: Cohort
    splits: Splits
    device: torch.device
    notes: list[str]
    inputs: dict[str, str]
    micro_batch: int | None = None
    prompts: ReadPrompts | None = None

    @property
    def folds(self) -> list[int | None]:
        """Numbers of the folds; [None] of a run without folds, whose files lie in the run folder itself."""
        return [None] if len(self.splits.folds) == 1 else list(self.splits.folds)

    def outputs(self, run: Run) -> list[str]:
        """What the run leaves behind, relative to its folder."""
        return [str((run.folder(fold) / "encoder.safetensors").relative_to(run.path)) for fold in self.folds]


@dataclass(frozen=True)
class Fold:
    """One fold, ready to train."""

    samples: Samples
    task: Task
    method: PairContrast | Simclr | Dense | PromptContrast
    source: TaskSource


def prepare(study: Study, options: PretrainOptions) -> Prepared:
    """Read the study and refuse what cannot be trained on.

    Raises:
        BadInput: with what is missing or wrong.
    """
    device = resolve_device(options.device)
    store = VolumeStore.open(study.preprocessed(options.preprocessed))
    cohort = read_options_cohort(study, options)
    cases = set(cohort.cases())
    stored = {entry.case for entry in store.entries}
    frame = cohort.frame[cohort.frame["case"].isin(stored)]
    notes = list(cohort.notes)
    if options.variable is not None:
        variable = cohort.variable(options.variable)
        notes += [f"{variable.name}: {note}" for note in variable.notes]
    prompts = read_prompts(study, cohort, options) if options.chosen_method == PROMPTS else None
    if prompts is not None:
        notes += prompts.notes
    if missing := len(cases - stored):
        notes.append(f"{missing} images of cohort.csv are not preprocessed and are left out (`medcl preprocess`).")
    if gone := len(stored - cases):
        notes.append(f"{gone} preprocessed images are no longer in cohort.csv and are left out.")
    if frame.empty:
        raise BadInput(
            f"No image of cohort.csv is in {study.preprocessed(options.preprocessed)}: run `medcl preprocess`."
        )
    splits = split_patients(options, cohort, options.seed, options.folds)
    store = store.only(cases)
    for fold in splits.folds:
        _gate(store, splits.of(fold))
        if options.init_from is not None:
            refuse_leaking_weights(options.init_from, study, store, splits.of(fold))
    inputs = {
        "volumes": store.fingerprint(),
        "splits": short_hash(splits.frame.to_csv(index=False)),
        "values": _values(cohort, options) if prompts is None else prompts.fingerprint(),
    }
    return Prepared(study, store, cohort, splits, device, [*notes, *split_notes(splits)], inputs, prompts=prompts)


def settle_micro_batch(prepared: Prepared, options: PretrainOptions, resumed: Run | None) -> Prepared:
    """Decide how many images pass the encoder at a time, as --micro-batch says.

    A resumed run has the number that it began with, whatever memory there is now.

    Raises:
        BadInput: --micro-batch auto, and the device does not tell its memory.
        RunFailed: --micro-batch auto, and nothing fits.
    """
    if options.micro_batch != "auto":
        return replace(prepared, micro_batch=options.micro_batch)
    if resumed is not None:
        return replace(prepared, micro_batch=resumed.record["micro_batch"])
    choice = _fitting_micro_batch(prepared, options)
    if is_main():
        log.info(choice.sentence())
    return replace(prepared, micro_batch=choice.images)


def train_fold(prepared: Prepared, options: PretrainOptions, run: Run, fold: int | None) -> TrainingResult:
    """Train one fold in its folder of the run and export the encoder of its best epoch.

    With several ranks the first one writes and reports.
    """
    folder = run.folder(fold)
    made = build_fold(prepared, options, fold)
    result = train_in(
        folder,
        made.method,
        made.task,
        made.source,
        prepared.splits.only(fold or 1),
        options,
        device=prepared.device,
        inputs=prepared.inputs,
        title=f"fold {fold} of {len(prepared.folds)}" if fold else "",
        micro_batch=prepared.micro_batch,
    )
    if is_main():
        epoch = restore_best(made.method, result.best)
        card = {**_card(prepared, options, made), "run": run.name, "epoch": epoch}
        export_encoder(made.method.encoder, folder, card)
        head = "dense_head" if isinstance(made.method, Dense) else "projection"
        export_encoder(made.method.embedder.projection, folder, _projection_card(made, run.name), stem=head)
        if isinstance(made.method, PromptContrast) and prepared.prompts is not None:
            export_text_side(made.method, prepared.prompts, folder, run.name, epoch)
    return result


def dry_run_fold(prepared: Prepared, options: PretrainOptions, fold: int | None) -> Forecast:
    """Train two steps of a fold and tell what the run would take; nothing is written."""
    try:
        choice = _fitting_micro_batch(prepared, options)
        told, fitting = choice.sentence(), choice.images
    except MedclError as error:
        if options.micro_batch == "auto":
            raise
        told, fitting = str(error), None
    settled = replace(prepared, micro_batch=fitting if options.micro_batch == "auto" else options.micro_batch)
    made = build_fold(settled, options, fold)
    for note in made.task.notes:
        log.info(note)
    forecast = dry_run(
        made.method,
        made.source,
        options.settings(),
        device=prepared.device,
        options={"micro_batch": settled.micro_batch},
    )
    return replace(forecast, micro_batch=told)


def build_fold(prepared: Prepared, options: PretrainOptions, fold: int | None) -> Fold:
    """Make a fold's samples, task, method and loader, and load --init-from.

    Raises:
        BadInput: the variable, the thresholds, the images' size or the weights cannot be used.
    """
    samples = build_samples(prepared.store, prepared.cohort, prepared.splits.of(fold or 1), options.variable)
    task, method = _task_and_method(prepared, options, samples)
    if options.init_from is not None:
        load_encoder_weights(method.encoder, options.init_from, _architecture(options, samples))
        if isinstance(method, Dense):
            method.restart_keys()
    augmentation = replace(
        PROMPT_VIEWS if options.chosen_method == PROMPTS else Augmentation(),  # how often each thing happens
        flip_probability=options.flip,
        affine_probability=options.affine,
        rotation_degrees=options.rotation,
        scale=options.scaling,
        blur_sigma=options.blur,
        noise_sd=options.noise,
        crop=options.crop,
        gamma=options.gamma,
        brightness=options.brightness,
        contrast=options.contrast,
    )
    if options.compile:
        method.embedder.encoder.compile()  # in place: names of weights stay
    loader = Loader(
        samples,
        augmentation,
        seed=options.seed,
        device=prepared.device,
        workers=options.workers,
        cache_bytes=cache_bytes(options.cache, prepared.device),
    )
    return Fold(samples, task, method, TaskSource(task, loader, own_rows))


def _task_and_method(
    prepared: Prepared, options: PretrainOptions, samples: Samples
) -> tuple[Task, PairContrast | Simclr | Dense | PromptContrast]:
    """What a fold learns from, and the method with its first weights."""
    task: Task
    if prepared.prompts is None:
        task = build_task(options.chosen_method, options.pairs, samples, _task_options(options))
    else:
        task = PromptTask(samples, prepared.prompts.prompts, _task_options(options))
    _refuse_small_batches(task)
    seed_everything(options.seed)  # the method's first weights follow the seed
    chosen = MethodOptions(
        network=options.network,
        dropout=options.dropout,
        margin=options.margin,
        positive_share=options.positive_share,
        temperature=options.temperature,
        micro_batch=prepared.micro_batch,
        dense=_dense_options(options, samples, task),
        prompts=prompt_options(options),
    )
    if prepared.prompts is not None and isinstance(task, PromptTask):
        return task, prompt_method(prepared.prompts, task, samples.size, chosen)
    method = build_method(options.chosen_method, options.pairs, samples.size, getattr(task, "batch_size", 0), chosen)
    return task, method


def _fitting_micro_batch(prepared: Prepared, options: PretrainOptions) -> MicroBatch:
    """What `--micro-batch auto` comes to, by the largest batch of the first fold."""
    made = build_fold(prepared, options, prepared.folds[0])
    images = max(len(plan.rows) for plan in made.task.epoch(0))
    return choose_micro_batch(
        made.method,
        (1, *made.samples.size),
        images,
        options.settings(),
        prepared.device,
        held=made.source.loader.cached_bytes,
    )


def _refuse_small_batches(task: Task) -> None:
    """Refuse batches of which a rank would get nothing."""
    if world_size() == 1:
        return  # without drawing an epoch's pairs
    least = min((len(plan.rows) for plan in task.epoch(0)), default=0)
    if least < world_size():
        raise BadInput(
            f"A batch of {least} images cannot be shared among {world_size()} processes. Use fewer --gpus or "
            "--nodes, a larger --batch-size, or more training images."
        )


def _task_options(options: PretrainOptions) -> TaskOptions:
    return TaskOptions(
        seed=options.seed,
        epochs=options.epochs,
        batch_size=options.batch_size,
        pairs=options.pairs_per_epoch,
        positive_share=options.positive_share,
        steps=options.steps_per_epoch,
        thresholds=options.thresholds,
        differs_by=options.differs_by,
        same_exam=options.same_exam,
        validation_images=options.validation_images,
        dense_images=options.images_per_epoch,
    )


def _dense_options(options: PretrainOptions, samples: Samples, task: Task) -> DenseOptions:
    """What was chosen about --method dense.

    Raises:
        BadInput: slices are to be told by their position, and there are none.
    """
    if options.chosen_method != "dense":
        return DenseOptions()
    if options.dense_position_gap and samples.slices is None:
        raise BadInput(
            f"--dense-position-gap {options.dense_position_gap:g} compares slices by where they lie in their volume, "
            f"but the images of --preprocessed {options.preprocessed} are volumes. Leave it out, or preprocess with "
            "--slices."
        )
    return DenseOptions(
        positives=options.dense_positives,
        warmup_steps=options.dense_warmup * len(task.epoch(0)) if options.dense_warmup else 0,
        stride=options.dense_stride,
        momentum=options.dense_momentum,
        position_gap=options.dense_position_gap,
        same_patient=options.dense_same_patient,
    )


def _gate(store: VolumeStore, splits: dict[str, str]) -> None:
    check_images(store.entries, splits)


def _architecture(options: PretrainOptions, samples: Samples) -> dict[str, Any]:
    return {"network": options.network, "size": list(samples.size), "channels": 1}


def _card(prepared: Prepared, options: PretrainOptions, made: Fold) -> dict[str, Any]:
    """What another program must know to use the encoder."""
    return {
        "architecture": _architecture(options, made.samples),
        "method": options.chosen_method,
        "variable": made.samples.variable,
        "slices": prepared.store.recipe.slices,
        "recipe": prepared.store.recipe.to_json(),
        "recipe_key": prepared.store.recipe.key(),
        "spacing": [round(float(step), 4) for step in made.samples.spacings().mean(axis=0)],
        "preprocessed": options.preprocessed,
        "data": prepared.inputs["volumes"],
    }


def _projection_card(made: Fold, run: str) -> dict[str, Any]:
    projection = made.method.embedder.projection
    if isinstance(projection, DenseHead):
        return {"architecture": {"channels": projection.channels, "out": projection.out}, "run": run}
    if isinstance(made.method, PromptContrast):
        return {"architecture": projection.shape, "run": run}
    shape = {"features": cast(int, made.method.encoder.features), "out": cast(int, projection.out)}
    return {"architecture": shape, "run": run}


def _values(cohort: Cohort, options: PretrainOptions) -> str:
    """Hash of the variable's values, so that a resumed run notices another table."""
    if options.variable is None:
        return ""
    values = cohort.variable(options.variable).values.sort_index()
    return short_hash(values.to_csv())
