"""`medcl translate train`: images of one modality made to look like another's, and segmented on the way.

The method of Zeng et al. (2023): a generator held to its source by the contrast of patches (Park et al., ECCV 2020), a
discriminator, and with --segment a segmentation network that learns from the translated slices with the source's masks.
What is joined stands in `workflows/translation_training.py`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from medcl.study.errors import BadInput
from medcl.study.image_filter import ImageFilter
from medcl.study.runs import Run
from medcl.workflows.options import flag, flag_name, split_words
from medcl.workflows.processes import in_processes
from medcl.workflows.training_options import RUN, TRAINING, TrainingOptions
from medcl.workflows.translation_images import TranslationImagesOptions

if TYPE_CHECKING:
    from medcl.training.dry_run import Forecast
    from medcl.training.result import TrainingResult

KIND = "translate"
METHOD = "Method"
NETWORKS = "Networks"
AUGMENTATION = "Augmentation"

FIRST_TAPS = ("stem", "input")

log = logging.getLogger("medcl")


class TranslateTrainOptions(TranslationImagesOptions, TrainingOptions):
    """Learn to translate images of one modality into another's look, from patients that need not be the same.

    `medcl translate train --source modality=ct --target modality=mr --source-preprocessed ct --target-preprocessed mr`
    trains the generator; with --segment also a segmentation network for the target, from the source's masks alone.
    Works on slices (`medcl preprocess --slices axial`). Research use only.
    """

    section: ClassVar[str] = "translate.train"

    segment: bool = flag(
        False, "Train a segmentation network for target images jointly, on translated slices.", panel=METHOD
    )
    detach_translated: bool = flag(
        False, "Keep the segmentation's loss from the generator; the paper lets it through.", panel=METHOD
    )
    gan_weight: float = flag(1.0, "Weight of the adversarial loss; the paper's is 1.", ge=0, panel=METHOD)
    nce_weight: float = flag(1.0, "Weight of the contrast of patches; the paper's is 1.", ge=0, panel=METHOD)
    identity_weight: float = flag(
        1.0, "Weight of the same contrast for target slices, which shall stay as they are; the paper's is 1.", ge=0,
        panel=METHOD,
    )  # fmt: skip
    segmentation_weight: float = flag(1.0, "Weight of the segmentation's loss; the paper's is 1.", ge=0, panel=METHOD)
    temperature: float = flag(0.07, "Temperature of the contrast of patches.", gt=0, panel=METHOD)
    patches: int = flag(256, "Positions that are contrasted, of each slice and tap.", ge=2, panel=METHOD)
    nce_reduction: Literal["mean", "sum"] = flag(
        "mean", "Over positions: the mean, as in the public code, or the sum, as the paper prints it.", panel=METHOD
    )
    first_tap: Literal["stem", "input"] = flag(
        "stem",
        "Where the contrast first looks into the generator: behind its 7x7 stem, or at the slice's single grey values, "
        "as the paper.",
        panel=METHOD,
    )
    organ_negatives: bool = flag(
        False, "Positions of one organ, known from the source's masks, are no negatives of each other.", panel=METHOD
    )
    average: float = flag(
        0.0,
        "Momentum of a moving average of generator and segmentation network, which is what is kept, such as 0.999; 0 "
        "for none, as the paper.",
        ge=0,
        lt=1,
        panel=METHOD,
    )
    self_training: float = flag(
        0.0,
        "Weight with which the segmentation network learns target slices from what the moving average is sure of; "
        "needs --segment and --average.",
        ge=0,
        panel=METHOD,
    )
    self_training_ramp: float = flag(
        0.4, "Share of the run in which that weight rises to its height.", ge=0, le=1, panel=METHOD
    )
    confidence: float = flag(
        0.9, "Target pixels count where the moving average is surer than this.", ge=0, lt=1, panel=METHOD
    )
    deep_supervision: int = flag(
        0, "So many coarser levels of the segmentation network learn too; 0 for none, as the paper.", ge=0, le=3,
        panel=METHOD,
    )  # fmt: skip

    filters: int = flag(64, "Channels of the generator's first convolution.", ge=1, panel=NETWORKS)
    blocks: int = flag(9, "Residual blocks of the generator.", ge=1, le=9, panel=NETWORKS)
    discriminator_filters: int = flag(64, "Channels of the discriminator's first convolution.", ge=1, panel=NETWORKS)
    widths: list[int] = flag(
        [32, 64, 128, 256, 512], "Channels of the segmentation network's levels, the finest first.", metavar="A,B,...",
        panel=NETWORKS,
    )  # fmt: skip

    panel_every: int | None = flag(
        None, "Epochs between sample pictures (panels/*.png); a tenth of the run unless told.", ge=1, panel=RUN
    )
    no_ids: bool = flag(False, "Number the patients on the page instead of naming them.", panel=RUN)

    empty_slices: float = flag(
        0.2,
        "Of the slices on which nothing is seen (no class, or an even picture) so large a share is used in an epoch.",
        ge=0,
        le=1,
        panel=TRAINING,
    )
    epochs: int = flag(400, "Passes through the training plans.", ge=1, panel=TRAINING)
    batch_size: int | None = flag(
        None, "Source slices of a step, beside as many target slices; 1 unless told.", ge=1, panel=TRAINING
    )
    steps_per_epoch: int | None = flag(
        None, "Steps of an epoch; as many as pass all slices of the larger side once unless told.", ge=1, panel=TRAINING
    )
    optimizer: Literal["adam", "adamw"] = flag("adam", "The optimizer.", panel=TRAINING)
    lr: float = flag(2e-4, "Learning rate.", gt=0, panel=TRAINING)
    schedule: Literal["cosine", "constant", "linear"] = flag(
        "linear",
        "What the learning rate does: stay for --constant-epochs and fall along a line, stay, or fall along a cosine.",
        panel=TRAINING,
    )
    warmup_epochs: float | None = flag(0.0, "Epochs of linear warm-up.", ge=0, panel=TRAINING)
    clip: float = flag(0.0, "Largest gradient norm; 0 does not clip.", ge=0, panel=TRAINING)

    flip: float = flag(0.0, "Probability of mirroring left and right.", ge=0, le=1, panel=AUGMENTATION)
    affine: float = flag(0.0, "Probability of rotating and scaling.", ge=0, le=1, panel=AUGMENTATION)
    rotation: float = flag(10.0, "Largest rotation, in degrees; with --affine.", ge=0, le=180, panel=AUGMENTATION)
    scaling: float = flag(
        0.1, "Largest relative change of size along each axis; with --affine.", ge=0, lt=0.9, panel=AUGMENTATION
    )
    elastic: float = flag(4.0, "Largest elastic displacement, in pixels.", ge=0, panel=AUGMENTATION)
    sharpness: float = flag(0.5, "Largest sharpening or softening.", ge=0, le=1, panel=AUGMENTATION)
    brightness: float = flag(0.05, "Largest shift of intensities, which lie in [0, 1].", ge=0, le=1, panel=AUGMENTATION)
    contrast: float = flag(0.1, "Largest relative change of contrast.", ge=0, lt=1, panel=AUGMENTATION)
    noise: float = flag(0.0, "Largest standard deviation of the noise.", ge=0, panel=AUGMENTATION)

    @field_validator("widths", mode="before")
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        return split_words(value)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [problem for problem, wrong in self._rules() if wrong]
        try:
            self.settings()
        except BadInput as error:
            problems += error.problems
        if problems:
            raise ValueError(" ".join(problems))
        return self

    def _rules(self) -> list[tuple[str, bool]]:
        idle = self._changed("detach_translated", "self_training", "deep_supervision", "segmentation_weight", "widths")
        unsure = self._changed("self_training_ramp", "confidence")
        unmoved = self._changed("rotation", "scaling")
        return [
            (f"{idle} without --segment: no segmentation network is trained.", bool(idle) and not self.segment),
            (
                f"{unsure} without --self-training: nothing is learned from target slices.",
                bool(unsure) and not self.self_training,
            ),
            (
                f"{unmoved} without --affine, the probability of it: nothing is rotated or scaled.",
                bool(unmoved) and not self.affine,
            ),
            (
                "--self-training needs --average, such as 0.999: the moving average tells what is learned.",
                self.self_training > 0 and not self.average,
            ),
            (
                f"--widths {','.join(map(str, self.widths))}: expected two numbers or more, each 1 or more.",
                len(self.widths) < 2 or min(self.widths) < 1,
            ),
            (
                f"--deep-supervision {self.deep_supervision}: a network of {len(self.widths)} --widths has "
                f"{max(0, len(self.widths) - 2)} levels to supervise.",
                self.segment and self.deep_supervision > max(0, len(self.widths) - 2),
            ),
            (
                "--overwrite replaces the run of --name NAME; it does not go without it, nor with --resume.",
                self.overwrite and (self.resume or self.name is None),
            ),
        ]

    def _changed(self, *names: str) -> str:
        """The flags of those that have another value than unless told; a resumed run is given all of its own."""
        fields = type(self).model_fields
        changed = (name for name in names if getattr(self, name) != fields[name].get_default(call_default_factory=True))
        return ", ".join(sorted(map(flag_name, changed)))

    @property
    def stem(self) -> str:
        """The telling start of a run's name, such as translate-ct-mr."""
        words = [
            "-".join(value for _, value in ImageFilter.parse(text).conditions) if text else name or ""
            for text, name in ((self.source, self.source_preprocessed), (self.target, self.target_preprocessed))
        ]
        plain = ["".join(letter if letter.isalnum() else "-" for letter in word).strip("-") for word in words]
        return "-".join(["translate", *(word for word in plain if word)])


@dataclass(frozen=True)
class Translated:
    """What a training came to.

    Attributes:
        run: the run folder; None after a dry run.
        result: of the training; None after a dry run.
        forecast: of a dry run; None otherwise.
        segments: whether the run has a segmentation network too.
        page: what to look at; None after a dry run, and in all processes but the first.
        seconds: of the whole command.
    """

    run: Run | None
    result: TrainingResult | None
    forecast: Forecast | None
    segments: bool
    page: Path | None
    seconds: float


def translate_train(options: TranslateTrainOptions) -> Translated:
    """Train a generator, with --segment jointly with a segmentation network, and write networks, pictures and a page.

    Raises:
        BadInput: the study, the options or the images cannot be used; told before any folder is made.
        RunFailed: a loss was not finite, the disk is full, or the run was stopped.
    """
    from medcl.workflows.training_run import options_of_stopped_run

    return in_processes(_translate_train, options, lambda asked: options_of_stopped_run(KIND, asked))


def _translate_train(options: TranslateTrainOptions) -> Translated:
    """What one process does; of several the first one keeps the run folder."""
    from medcl.training.distributed import is_main
    from medcl.workflows.training_run import begin_run, failure_recorded, take_up, tell_prepared
    from medcl.workflows.translation_images import INPUTS
    from medcl.workflows.translation_page import write_page
    from medcl.workflows.translation_training import build, dry_run_translation, prepare, train_translation

    started = time.monotonic()
    study, run, options = take_up(KIND, options)
    prepared = prepare(study, options)
    tell_prepared(study, prepared.images.inputs, prepared.images.notes)
    if options.dry_run:
        forecast = dry_run_translation(prepared, options)
        return Translated(None, None, forecast, options.segment, None, time.monotonic() - started)
    made = build(prepared, options)  # refuses what cannot train before a folder is made or replaced
    run = begin_run(
        study,
        KIND,
        options.stem,
        options,
        run,
        images=[*prepared.images.source.entries, *prepared.images.target.entries],
        device=prepared.device,
        inputs=prepared.images.inputs,
        words=INPUTS,
    )
    page = None
    with failure_recorded(run):
        result = train_translation(prepared, made, options, run)
        if is_main():
            page = write_page(run, prepared, made, options)
    seconds = time.monotonic() - started
    if is_main():
        run.finish(outputs=_outputs(options, run), seconds=seconds)
    return Translated(run, result, None, options.segment, page, seconds)


def _outputs(options: TranslateTrainOptions, run: Run) -> list[str]:
    panels = sorted(f"panels/{file.name}" for file in (run.path / "panels").glob("*.png"))
    networks = ["generator.safetensors", *(["segmenter.safetensors"] if options.segment else [])]
    return [*networks, "hallucination.csv", "translation.html", *panels]
