"""What a task hands to the loader: which images make a batch, how each is augmented, and what they are to teach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Augment = Literal["epoch", "fixed", "none"]

LABELLED = "labelled"
"""The target, (M,) bool, by which a plan hides the masks of images that are to count as unlabelled."""


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """One batch, before any image is read.

    Attributes:
        rows: (M,) images as rows of `Samples`; one may stand there several times.
        keys: (M,) augmentation keys, no two equal within an epoch.
        targets: arrays for the method, such as "label": (M / 2,) of the pairs rows[0::2], rows[1::2], or (M,
            M).
        augment: keyed by the epoch ("epoch"); the same in every epoch, even where the caller wants images as
            they are, because the views
            belong to the plan ("fixed"); or never ("none").
    """

    rows: NDArray[np.int64]
    keys: NDArray[np.int64]
    targets: dict[str, NDArray[Any]] = field(default_factory=dict)
    augment: Augment = "epoch"


class Task(Protocol):
    """What a run learns from: plans of each epoch and of the validation, a function of (seed, epoch) alone.

    Attributes:
        batch_size: of a full batch: pairs (sampled) or images.
    """

    batch_size: int

    @property
    def notes(self) -> list[str]:
        """What the user should know before the run starts, one sentence each."""

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the batches of an epoch; `epoch` counts from 0."""

    def validation(self) -> list[BatchPlan]:
        """Return the validation's batches, fixed for the run; empty when nobody is held out."""

    def describe(self) -> dict[str, Any]:
        """Return thresholds, counts and repeat factors, as plain types to be printed and saved."""


@runtime_checkable
class OverviewTask(Protocol):
    """A `Task` whose method looks at all training images between epochs."""

    def overview(self) -> list[BatchPlan]:
        """Return batches, never augmented, in which every training image stands once; the same in every epoch."""
