"""`medcl segment train`: a segmentation network from few labelled patients and many unlabelled ones.

The method of Basak et al. (IDEAL, ICASSP 2023): one encoder, two decoders that teach each other on unlabelled images;
or the labelled images alone. Or a network of another modality, which has no masks, from translated slices (Zeng et al.,
2023). What is joined stands in `workflows/segment_methods.py`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from medcl.data.label_budget import LabelBudget
from medcl.networks.registry import NETWORKS, UNET
from medcl.study.errors import BadInput
from medcl.study.runs import Run
from medcl.workflows.options import flag, flag_name, split_words
from medcl.workflows.processes import in_processes
from medcl.workflows.training_options import TRAINING, TrainingOptions
from medcl.workflows.translated_options import (
    NONE,
    SEEN_BY_GENERATOR,
    TRANSLATED,
    TranslatedOptions,
    method_problems,
)

if TYPE_CHECKING:
    from medcl.training.dry_run import Forecast
    from medcl.training.result import TrainingResult

KIND = "segment"
METHOD = "Method"
LABELS = "Labels"
AUGMENTATION = "Augmentation"

_ENCODERS = ", ".join(name for name, network in NETWORKS.items() if network.scales)

DECODERS = {"ideal": ["transposed", "bilinear"], "supervised": ["transposed"]}
"""The decoders of each method unless --decoders says otherwise."""

log = logging.getLogger("medcl")


class SegmentTrainOptions(TranslatedOptions, TrainingOptions):
    """Train a segmentation network on the masks of few patients and the images of all.

    `medcl segment train --labeled 8 --init-from runs/dense` learns from eight labelled patients and, by two decoders
    that teach each other, from all other training patients. --method supervised takes the labelled ones alone.
    --method translated --translation RUN learns from masks of one modality to segment another, which has none.
    Classes are named in medcl.toml [labels]. Research use only.
    """

    section: ClassVar[str] = "segment.train"

    method: Literal["ideal", "supervised", "translated"] = flag(
        "ideal",
        "Two decoders that teach each other on unlabelled images, labelled images alone, or translated slices with the "
        "masks that they had before.",
        panel=METHOD,
    )
    network: str | None = flag(
        None,
        f"The encoder: {_ENCODERS}; that of --init-from, or resnet18. With --method supervised also {UNET}, which "
        "--method translated has for slices, to compare with.",
        metavar="NAME",
        panel=METHOD,
    )
    decoders: list[str] = flag(
        [], "transposed, bilinear or both; both for ideal and transposed for supervised unless told.", panel=METHOD
    )
    loss: Literal["ce+dice", "ce"] = flag(
        "ce+dice", "Of labelled images: half cross-entropy and half Dice, or the paper's cross-entropy.", panel=METHOD
    )
    consistency_weight: float = flag(
        0.1, "Weight of what the decoders teach each other at its height; the paper's is 1.", ge=0, panel=METHOD
    )
    ramp_up: float = flag(
        0.4,
        "Share of the run in which that weight rises to its height, as exp(-5 (1 - t)^2); the paper's is 0.",
        ge=0,
        le=1,
        panel=METHOD,
    )
    confidence: float = flag(
        0.0, "Unlabelled voxels count where a decoder is surer than this.", ge=0, lt=1, panel=METHOD
    )
    teacher: float = flag(
        0.0,
        "Momentum of a moving average of the network that makes the unlabelled images' labels and is what is kept, "
        "such as 0.99; 0 for none, as the paper.",
        ge=0,
        lt=1,
        panel=METHOD,
    )
    mix: Literal["none", "copy-paste"] = flag(
        "none", "Mix labelled and unlabelled images by pasting boxes of one into the other.", panel=METHOD
    )
    preprocessed: str = flag("default", "Name of the preprocessed volumes.", metavar="NAME", panel=METHOD)

    labeled: str | None = flag(
        None,
        "How many training patients count as labelled: 8, or 10%; all who have masks unless told.",
        metavar="N|N%",
        panel=LABELS,
    )
    labeled_patients: Path | None = flag(
        None, "A file that names the labelled patients, one a line or in a column patient.", panel=LABELS
    )
    labeled_share: float = flag(0.5, "Share of labelled images in a step of ideal.", gt=0, lt=1, panel=LABELS)
    unlabeled_from: Literal["others", "all"] = flag(
        "others",
        "Whose images are the unlabelled ones: those of the other training patients, or of all without their masks.",
        panel=LABELS,
    )
    empty_slices: float = flag(
        1.0, "Of the labelled slices without any class, so large a share is used in an epoch.", ge=0, le=1, panel=LABELS
    )

    epochs: int = flag(100, "Passes through the training plans.", ge=1, panel=TRAINING)
    batch_size: int | None = flag(
        None, "Images of a step: slices (24 unless told) or volumes (4).", ge=2, panel=TRAINING
    )
    steps_per_epoch: int | None = flag(
        None, "Steps of an epoch; as many as pass all training images once unless told.", ge=1, panel=TRAINING
    )
    optimizer: Literal["sgd", "adam", "adamw"] = flag("adam", "The optimizer.", panel=TRAINING)
    lr: float = flag(1e-3, "Learning rate of the decoders at the end of the warm-up.", gt=0, panel=TRAINING)
    encoder_lr: float | None = flag(
        None, "Learning rate of the encoder; a tenth of --lr with --init-from, else --lr.", gt=0, panel=TRAINING
    )

    flip: float = flag(0.0, "Probability of mirroring left and right.", ge=0, le=1, panel=AUGMENTATION)
    affine: float = flag(0.8, "Probability of rotating and scaling.", ge=0, le=1, panel=AUGMENTATION)
    rotation: float = flag(20.0, "Largest rotation about each axis, in degrees.", ge=0, le=180, panel=AUGMENTATION)
    scaling: float = flag(0.2, "Largest relative change of size along each axis.", ge=0, lt=0.9, panel=AUGMENTATION)
    gamma: float = flag(0.3, "Largest change of the logarithm of gamma.", ge=0, le=3, panel=AUGMENTATION)
    brightness: float = flag(0.1, "Largest shift of intensities, which lie in [0, 1].", ge=0, le=1, panel=AUGMENTATION)
    contrast: float = flag(0.2, "Largest relative change of contrast.", ge=0, lt=1, panel=AUGMENTATION)
    curve: float = flag(
        0.0,
        "Probability of taking intensities through a random curve, rising or falling.",
        ge=0,
        le=1,
        panel=AUGMENTATION,
    )
    sharpness: float = flag(0.0, "Largest sharpening or softening.", ge=0, le=1, panel=AUGMENTATION)
    elastic: float = flag(0.0, "Largest elastic displacement, in voxels.", ge=0, le=100, panel=AUGMENTATION)
    blur: float = flag(0.0, "Largest standard deviation of the blur, in voxels.", ge=0, le=10, panel=AUGMENTATION)
    noise: float = flag(0.05, "Largest standard deviation of the noise.", ge=0, panel=AUGMENTATION)

    @field_validator("decoders", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return split_words(value)

    @field_validator("labeled_patients", mode="after")
    @classmethod
    def _holds_from_everywhere(cls, path: Path | None) -> Path | None:
        return None if path is None else path.absolute()

    @model_validator(mode="before")
    @classmethod
    def _seen_by_the_generator(cls, values: Any) -> Any:
        """Give a generator slices as it knows them unless told; a resumed run has its own values already."""
        if not isinstance(values, dict) or values.get("resume") or values.get("method") != TRANSLATED:
            return values
        return values if values.get("translation", NONE) == NONE else {**SEEN_BY_GENERATOR, **values}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [
            problem
            for problem, wrong in (
                (
                    "--labeled and --labeled-patients exclude each other: both say who is labelled.",
                    self.labeled is not None and self.labeled_patients is not None,
                ),
                (
                    f"--decoders {','.join(self.decoders)}: expected transposed, bilinear or both.",
                    not set(self.decoders) <= set(DECODERS["ideal"]),
                ),
                (
                    "--method ideal needs both decoders, which teach each other.",
                    self.method == "ideal" and len(self.chosen_decoders) != 2,
                ),
                (
                    "--teacher, --mix and --confidence need unlabelled images, which --method supervised leaves out.",
                    self.method == "supervised" and (self.teacher > 0 or self.mix != "none" or self.confidence > 0),
                ),
                (
                    f"--network {UNET} goes with --method supervised, and without --init-from and --decoders; --method "
                    "translated has it always.",
                    self.network == UNET
                    and (self.method != "supervised" or self.init_from is not None or bool(self.decoders)),
                ),
                (
                    "--overwrite replaces the run of --name NAME; it does not go without it, nor with --resume.",
                    self.overwrite and (self.resume or self.name is None),
                ),
            )
            if wrong
        ]
        problems += method_problems(self, self.method, self.resume)
        for look in (self.settings, lambda: self.labeled is None or LabelBudget.parse(self.labeled)):
            try:
                look()
            except BadInput as error:
                problems += error.problems
        if problems:
            raise ValueError(" ".join(problems))
        return self

    @property
    def chosen_decoders(self) -> list[str]:
        """The decoders, in the order of their names in --decoders."""
        return list(dict.fromkeys(self.decoders)) or DECODERS[self.method]

    @property
    def stem(self) -> str:
        """The telling start of a run's name, such as ideal-8."""
        if self.method == TRANSLATED:
            return f"{TRANSLATED}-{NONE}" if self.translation == NONE else TRANSLATED
        return f"{self.method}-{self.labeled.replace('%', 'pc').replace(' ', '')}" if self.labeled else self.method


@dataclass(frozen=True)
class SegmentTrained:
    """What a training came to.

    Attributes:
        run: the run folder; None after a dry run.
        result: of the training; None after a dry run.
        forecast: of a dry run; None otherwise.
        seconds: of the whole command.
    """

    run: Run | None
    result: TrainingResult | None
    forecast: Forecast | None
    seconds: float


def segment_train(options: SegmentTrainOptions) -> SegmentTrained:
    """Train a segmentation network and export it with its card; in several processes where asked for.

    Raises:
        BadInput: the study, the options, the masks or the labelled patients cannot be used; told before any folder is
            made.
        RunFailed: a loss was not finite, the disk is full, or the run was stopped.
    """
    from medcl.workflows.training_run import options_of_stopped_run

    return in_processes(_segment_train, options, lambda asked: options_of_stopped_run(KIND, asked))


def _segment_train(options: SegmentTrainOptions) -> SegmentTrained:
    """What one process does; of several the first one keeps the run folder."""
    from medcl.training.distributed import is_main
    from medcl.workflows.segment_methods import training_of
    from medcl.workflows.training_run import begin_run, failure_recorded, take_up, tell_prepared

    started = time.monotonic()
    study, run, options = take_up(KIND, options)
    training = training_of(study, options)
    tell_prepared(study, training.inputs, [*training.notes, *_without_effect(options)])
    if options.dry_run:
        return SegmentTrained(None, None, training.forecast(), time.monotonic() - started)
    train = training.build()  # refuses what cannot train before a folder is made or replaced
    run = begin_run(
        study,
        KIND,
        options.stem,
        options,
        run,
        images=training.images,
        device=training.device,
        inputs=training.inputs,
        words=training.words,
        record={"labelled_patients": training.labelled},
    )
    with failure_recorded(run):
        result = train(run)
    seconds = time.monotonic() - started
    if is_main():
        run.finish(outputs=training.outputs, seconds=seconds)
    return SegmentTrained(run, result, None, seconds)


def _without_effect(options: SegmentTrainOptions) -> list[str]:
    """A note when values were given that concern unlabelled images, which --method supervised leaves out."""
    if options.method != "supervised" or options.resume:
        return []
    of_unlabelled = ("consistency_weight", "ramp_up", "labeled_share", "unlabeled_from")
    changed = [name for name in of_unlabelled if getattr(options, name) != type(options).model_fields[name].default]
    told = ", ".join(map(flag_name, changed))
    return [f"Without effect with --method supervised: {told}."] if changed else []
