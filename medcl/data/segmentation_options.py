"""The options of the segmentation task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medcl.study.errors import BadInput

SLICE_BATCH = 24
VOLUME_BATCH = 4
"""Images of a step (ours; Basak et al., ICASSP 2023, give none)."""

UNLABELLED_FROM = ("others", "all")


@dataclass(frozen=True)
class SegmentationTaskOptions:
    """What can be chosen about a segmentation's batches.

    Attributes:
        seed: of everything that is drawn.
        batch_size: images of a step; None is 24 slices or 4 volumes.
        supervised: only labelled images.
        labelled_share: of a step's images, where there are unlabelled ones too; at least one of each.
        steps: of an epoch; None is as many as show as many images as the training patients have. The same whoever is
            labelled, so that runs can be compared.
        unlabelled_from: whose images are the unlabelled part: those of the other training patients, or of all, where
            images of labelled patients come without their masks too.
        empty_share: of the labelled slices on which no class is seen, so many are used in an epoch, each time others.
        validation_images: at most so many images of validation patients are used, each with all its slices.

    Raises:
        BadInput: naming every value that cannot be used.
    """

    seed: int = 0
    batch_size: int | None = None
    supervised: bool = False
    labelled_share: float = 0.5
    steps: int | None = None
    unlabelled_from: Literal["others", "all"] = "others"
    empty_share: float = 1.0
    validation_images: int = 960

    def __post_init__(self) -> None:
        least = 1 if self.supervised else 2
        batch_fits = self.batch_size is None or self.batch_size >= least
        known = ", ".join(UNLABELLED_FROM)
        problems = [
            f"{flag} is {value}; expected {expected}."
            for flag, value, expected, fine in (
                ("--batch-size", self.batch_size, f"{least} or more", batch_fits),
                ("--labeled-share", self.labelled_share, "between 0 and 1", 0 < self.labelled_share < 1),
                ("--steps-per-epoch", self.steps, "1 or more", self.steps is None or self.steps >= 1),
                ("--unlabeled-from", self.unlabelled_from, f"one of {known}", self.unlabelled_from in UNLABELLED_FROM),
                ("--empty-slices", self.empty_share, "a number in [0, 1]", 0 <= self.empty_share <= 1),
                ("--validation-images", self.validation_images, "1 or more", self.validation_images >= 1),
            )
            if not fine
        ]
        if problems:
            raise BadInput(problems)
