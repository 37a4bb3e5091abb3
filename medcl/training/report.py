"""What the loop tells while it runs, and to whom; how it looks is the reporter's matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from medcl.training.result import TrainingResult


@dataclass(frozen=True)
class EpochSummary:
    """An ended epoch.

    Attributes:
        epoch: from 1.
        epochs: of the run.
        losses: training means whose names begin with "loss".
        validation: validation means, or None.
        best: whether this is the best epoch so far.
        lr: learning rate of the last step.
        seconds: of the epoch's steps and validation.
        waiting_share: part of the step time spent waiting for data.
        seconds_left: to the end of the run, as far as can be told.
    """

    epoch: int
    epochs: int
    losses: Mapping[str, float]
    validation: Mapping[str, float] | None
    best: bool
    lr: float
    seconds: float
    waiting_share: float
    seconds_left: float


class Reporter(Protocol):
    """Whom the loop tells."""

    def message(self, text: str) -> None:
        """Something worth knowing."""

    def warning(self, text: str) -> None:
        """Something that should be looked at."""

    def epoch_started(self, epoch: int, epochs: int, batches: int, done: int) -> None:
        """An epoch (from 1) of `batches` steps begins, `done` of them before a resume."""

    def step(self, done: int, losses: Mapping[str, float] | None) -> None:
        """`done` steps of the epoch are over; `losses` are its means so far where they were read."""

    def epoch_finished(self, summary: EpochSummary) -> None:
        """An epoch and its validation are over."""

    def finished(self, result: TrainingResult) -> None:
        """The run is over."""

    def close(self) -> None:
        """Nothing more comes, whether the run ended well or not."""


class SilentReport:
    """Tells nobody, for notebooks and for ranks other than the first."""

    def message(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def epoch_started(self, epoch: int, epochs: int, batches: int, done: int) -> None: ...
    def step(self, done: int, losses: Mapping[str, float] | None) -> None: ...
    def epoch_finished(self, summary: EpochSummary) -> None: ...
    def finished(self, result: TrainingResult) -> None: ...
    def close(self) -> None: ...
