"""`medcl pretrain`: an encoder trained contrastively on the study's preprocessed volumes.

The method of Milecki et al. (MIDL 2022): pairs told apart by a clinical variable or by the patient, and SimCLR as
the paper's baseline. What one fold does stands in `workflows/fold.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from medcl.methods.registry import METHODS
from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput, MedclError
from medcl.study.folder import Study
from medcl.study.runs import Run, create_run, newest_run, read_run
from medcl.workflows.clinical_options import ClinicalOptions
from medcl.workflows.options import flag, flag_name
from medcl.workflows.processes import from_main, in_processes
from medcl.workflows.training_options import TrainingOptions

if TYPE_CHECKING:
    from medcl.training.dry_run import Forecast
    from medcl.training.result import TrainingResult

METHOD = "Method"
SPLIT = "Held-out patients"
AUGMENTATION = "Augmentation"

log = logging.getLogger("medcl")


class PretrainOptions(ClinicalOptions, TrainingOptions):
    """Train an encoder contrastively on the preprocessed volumes.

    `medcl pretrain --variable gfr` teaches it to tell patients by their GFR; --method patient by who they are;
    --method simclr by nothing but two views of one image. Research use only.
    """

    section: ClassVar[str] = "pretrain"

    method: str | None = flag(
        None, "variable, patient or simclr; variable when --variable is given.", metavar="NAME", panel=METHOD
    )
    variable: str | None = flag(
        None,
        "Clinical variable that makes pairs alike or different: gfr, or made of readings, as screat@365+-60.",
        metavar="NAME",
        panel=METHOD,
    )
    pairs: Literal["sampled", "in-batch"] = flag(
        "sampled", "Explicit pairs as the paper draws them, or all pairs among the images of a batch.", panel=METHOD
    )
    thresholds: str | None = flag(
        None,
        'Stages of t_pos,t_neg in the variable\'s unit, such as "5,30 10,20 10,15", or auto (quantiles of the '
        "training pairs); the paper's for gfr, else auto.",
        metavar="STAGES",
        panel=METHOD,
    )
    differs_by: float | None = flag(
        None, "For ordinal variables: pairs are negative from this difference on, positive when equal.", panel=METHOD
    )
    same_exam: Literal["first-half", "always", "never"] = flag(
        "first-half",
        "Of --method patient: when two images of one exam make a positive pair.",
        panel=METHOD,
    )
    margin: float = flag(0.0, "Cosine below which negatives cost nothing.", ge=-1, lt=1, panel=METHOD)
    temperature: float = flag(0.5, "Temperature of --method simclr.", gt=0, panel=METHOD)
    pairs_per_epoch: int = flag(
        10_000, "Pairs of an epoch (sampled), or images of an epoch (simclr).", ge=2, panel=METHOD
    )
    positive_share: float = flag(0.25, "Share of positive pairs.", gt=0, lt=1, panel=METHOD)
    steps_per_epoch: int = flag(21, "Steps of an epoch for --pairs in-batch.", ge=1, panel=METHOD)
    network: str = flag("resnet18", f"The encoder: {', '.join(NETWORKS)}.", metavar="NAME", panel=METHOD)
    dropout: float = flag(0.1, "Dropout of the projection head.", ge=0, lt=1, panel=METHOD)
    micro_batch: Annotated[int, Field(ge=1)] | Literal["auto"] | None = flag(
        None,
        "Images that pass the encoder at a time, to save memory: a number, or auto for as many as fit. Nothing else "
        "changes but batch norms, which then see a part of the batch; all unless told.",
        metavar="N|auto",
        panel=METHOD,
    )
    preprocessed: str = flag("default", "Name of the preprocessed volumes.", metavar="NAME", panel=METHOD)

    folds: int | None = flag(None, "Train this many encoders, each with other patients held out.", ge=2, panel=SPLIT)
    stratify: str | None = flag(
        None, "Balance the split on this variable's patient means or classes.", metavar="NAME", panel=SPLIT
    )
    leave_site: str | None = flag(None, "Hold out every patient of this site.", metavar="NAME", panel=SPLIT)
    splits: Path | None = flag(None, "A splits.csv (patient, split) to use.", metavar="FILE", panel=SPLIT)
    validation_images: int = flag(960, "At most so many images of validation patients are used.", ge=2, panel=SPLIT)

    flip: float = flag(0.5, "Probability of mirroring left and right.", ge=0, le=1, panel=AUGMENTATION)
    affine: float = flag(0.5, "Probability of rotating and scaling.", ge=0, le=1, panel=AUGMENTATION)
    rotation: float = flag(10.0, "Largest rotation about each axis, in degrees.", ge=0, le=180, panel=AUGMENTATION)
    scaling: float = flag(0.1, "Largest relative change of size along each axis.", ge=0, lt=0.9, panel=AUGMENTATION)
    blur: float = flag(0.5, "Largest standard deviation of the blur, in voxels.", ge=0, le=10, panel=AUGMENTATION)
    noise: float = flag(
        0.05, "Largest standard deviation of the noise; intensities lie in [0, 1].", ge=0, panel=AUGMENTATION
    )

    @model_validator(mode="after")
    def _fits_together(self) -> PretrainOptions:
        if self.network not in NETWORKS:
            raise ValueError(f"--network is '{self.network}'; known are {', '.join(NETWORKS)}.")
        if self.chosen_method == "variable" and self.variable is None and not self.resume:
            raise ValueError("--method variable needs --variable NAME (`medcl list variables` shows them).")
        if self.variable is not None and self.chosen_method != "variable":
            raise ValueError(f"--variable goes with --method variable, not with --method {self.chosen_method}.")
        if self.overwrite and (self.resume or self.name is None):
            raise ValueError(
                "--overwrite replaces the run of --name NAME; it does not go without it, nor with --resume."
            )
        if self.thresholds is not None and self.differs_by is not None:
            raise ValueError("--thresholds and --differs-by exclude each other: both say what a negative pair is.")
        try:
            self.settings()
        except BadInput as error:
            raise ValueError(" ".join(error.problems)) from None
        return self

    @field_validator("splits", "init_from", mode="after")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Keep paths that hold from wherever the run is resumed."""
        return None if path is None else path.absolute()

    @property
    def chosen_method(self) -> str:
        """The method by name; "variable" when only --variable is given.

        Raises:
            ValueError: none was given, or one that is not known.
        """
        method = self.method or ("variable" if self.variable else None)
        if method in METHODS or (method is None and self.resume):
            return method or ""
        known = "; ".join(f"{name}: {entry.title}" for name, entry in METHODS.items())
        asked = f"--method is '{self.method}'" if self.method else "Name a --method, or a --variable"
        raise ValueError(f"{asked}. The methods are {known}.")

    @property
    def stem(self) -> str:
        """The telling start of a run's name, such as variable-gfr."""
        return f"{self.chosen_method}-{self.variable}" if self.variable else self.chosen_method


@dataclass(frozen=True)
class Pretrained:
    """What a pretraining came to.

    Attributes:
        run: the run folder; None after a dry run.
        results: of each fold.
        forecast: of a dry run; None otherwise.
        seconds: of the whole command.
    """

    run: Run | None
    results: list[TrainingResult]
    forecast: Forecast | None
    seconds: float


def pretrain(options: PretrainOptions) -> Pretrained:
    """Train the encoder, or one for each fold, and export it with its card; in several processes where asked for.

    Raises:
        BadInput: the study, the options or the data cannot be used; told before any folder is made.
        RunFailed: a loss was not finite, the disk is full, or the run was stopped.
    """
    return in_processes(_pretrain, options, _of_stopped_run)


def _pretrain(options: PretrainOptions) -> Pretrained:
    """What one process does; of several the first one keeps the run folder."""
    from medcl.imaging.image_list import write_image_list
    from medcl.training.device import describe_device
    from medcl.training.distributed import is_main, require_same, world_size
    from medcl.training.interrupt import Interrupted
    from medcl.training.launching.process_list import list_processes
    from medcl.workflows.fold import build_fold, dry_run_fold, prepare, settle_micro_batch, train_fold

    started = time.monotonic()
    study = Study.find(options.study)
    run: Run | None = None
    if options.resume:
        run, options = from_main(lambda: _stopped_run(study, options))
        log.info(f"Going on with the run {run.name}.")
    prepared = prepare(study, options)
    require_same({"study folder": str(study.root), **prepared.inputs})
    for note in [*prepared.notes, *_without_effect(options)]:
        log.info(note)
    if options.dry_run:
        forecast = dry_run_fold(prepared, options, prepared.folds[0])
        return Pretrained(None, [], forecast, time.monotonic() - started)
    for fold in prepared.folds:
        build_fold(prepared, options, fold)  # refuses what cannot train before a folder is made or replaced
    prepared = settle_micro_batch(prepared, options, run)
    device, devices = describe_device(prepared.device), list_processes(prepared.device)
    if run is None:
        run = from_main(lambda: create_run(study, "pretrain", options.name, options.stem, options.overwrite))
        log.info(f"Run {run.name}, on {device}.")
    else:
        _refuse_changed_inputs(run, prepared.inputs)
        if is_main():
            run.resume()
    if is_main():
        write_image_list(run.path, prepared.store.entries)
        run.write(
            options=_plain(options),
            micro_batch=prepared.micro_batch,
            device=device,
            devices=devices,
            processes=world_size(),
            seed=options.seed,
            inputs=prepared.inputs,
        )
    try:
        results = [train_fold(prepared, options, run, fold) for fold in prepared.folds]
    except Interrupted:
        raise  # the record goes on saying "running": its process ends, and the run counts as stopped
    except MedclError as error:
        if is_main():
            run.fail(str(error))
        raise
    seconds = time.monotonic() - started
    if is_main():
        run.finish(outputs=prepared.outputs(run), seconds=seconds)
    return Pretrained(run, results, None, seconds)


def _stopped_run(study: Study, options: PretrainOptions) -> tuple[Run, PretrainOptions]:
    """The run to go on with, and its own options: those given now must be the same ones.

    Raises:
        BadInput: there is no such run, it is finished, or options differ (all are shown).
    """
    from medcl.training.resume import MAY_CHANGE, refuse_changed_options

    unfinished = ("stopped", "failed")
    run = read_run(study.runs / options.name) if options.name else newest_run(study, "pretrain", unfinished)
    run.refuse_if_live("--resume")
    if run.kind != "pretrain":
        raise BadInput(f"--resume: {run.name} is a '{run.kind}' run, not one of `medcl pretrain`.")
    if run.status == "finished":
        raise BadInput(
            f"--resume: the run {run.name} is finished. Start a new one, from its weights with --init-from {run.path}."
        )
    saved = run.record.get("options")
    if not isinstance(saved, dict):
        raise BadInput(f"--resume: {run.path} ended before its options were written; start a new run.")
    given = {name: value for name, value in _plain(options).items() if name in options.model_fields_set}
    refuse_changed_options(saved, {**saved, **given}, str(run.path))
    now = {name: value for name, value in given.items() if name in MAY_CHANGE}
    return run, PretrainOptions(**{**saved, **now, "resume": True})


def _of_stopped_run(options: PretrainOptions) -> PretrainOptions:
    """The options of the run that --resume goes on with: they say how many processes it takes."""
    run, options = _stopped_run(Study.find(options.study), options)
    return options.model_copy(update={"name": run.name})


def _refuse_changed_inputs(run: Run, inputs: Mapping[str, str]) -> None:
    saved = run.record.get("inputs") or {}
    words = {
        "volumes": "the preprocessed volumes",
        "splits": "the split of the patients",
        "values": "the variable's values in cohort.csv",
    }
    changed = [words[name] for name in words if saved.get(name) != inputs[name]]
    if changed:
        raise BadInput(
            f"--resume: {' and '.join(changed)} changed since {run.name} was started, so it cannot go on as the same "
            "run. Restore them, or start a new run."
        )


def _without_effect(options: PretrainOptions) -> list[str]:
    """A note when values were given that have no part in the chosen method (medcl.toml may hold them for another)."""
    if options.resume:
        return []
    known = set(METHODS[options.chosen_method].options)
    known -= {"pairs_per_epoch"} if "pairs" in known and options.pairs == "in-batch" else {"steps_per_epoch"}
    every = {name for method in METHODS.values() for name in method.options}
    idle = sorted((every - known) & options.model_fields_set)
    idle = [name for name in idle if getattr(options, name) != type(options).model_fields[name].default]
    if options.optimizer != "sgd" and "momentum" in options.model_fields_set:
        idle.append("momentum")
    told = ", ".join(map(flag_name, idle))
    return [f"Without effect in this run ({options.stem}, --pairs {options.pairs}): {told}."] if idle else []


def _plain(options: PretrainOptions) -> dict[str, Any]:
    return options.model_dump(mode="json")
