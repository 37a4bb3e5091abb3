"""What a training gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from medcl.study.plural import counted
from medcl.training.clock import DATA_WAIT, shares
from medcl.training.words import duration, size


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    Attributes:
        epochs, steps, images: what was done in the whole run, resumes included.
        best_epoch: from 1; the epoch whose weights are in `best`.
        best_loss: its validation loss; None when there was no validation (`best` is then the last epoch).
        keeps_last: whether the method keeps its last epoch, whatever the validation says (`best` is then that one).
        last_loss: mean training loss of the last epoch.
        seconds: of all steps by phase (`clock.PHASES`).
        validation_seconds: of all validations.
        peak_memory: bytes, or None where the system does not tell.
        best, last: checkpoint files.
        warnings: what was warned about, in order.
    """

    epochs: int
    steps: int
    images: int
    best_epoch: int
    best_loss: float | None
    last_loss: float
    seconds: Mapping[str, float]
    validation_seconds: float
    peak_memory: int | None
    best: Path
    last: Path
    warnings: tuple[str, ...]
    keeps_last: bool = False

    @property
    def waiting_share(self) -> float:
        """Part of the step time spent waiting for data."""
        return shares(self.seconds)[DATA_WAIT]

    @property
    def images_per_second(self) -> float:
        """Images trained on per second of step time."""
        total = sum(self.seconds.values())
        return self.images / total if total else 0.0

    def sentences(self) -> list[str]:
        """Return the end of a run in words."""
        parts = ", ".join(
            f"{phase.replace('_', ' ')} {share:.1%}"
            for phase, share in shares(self.seconds).items()
            if share > 0 or phase == DATA_WAIT
        )
        memory = "" if self.peak_memory is None else f", {size(self.peak_memory)} of memory at the peak"
        return [
            f"{counted(self.epochs, 'epoch')}, {counted(self.steps, 'step')} in {duration(sum(self.seconds.values()))} "
            f"and {duration(self.validation_seconds)} of validation; {self._kept()}.",
            f"{self.images_per_second:.1f} images per second{memory}.",
            f"A step's time: {parts}.",
        ]

    def _kept(self) -> str:
        """Which weights are the best ones, in words."""
        if self.best_loss is None:
            return "the last epoch's weights are kept (no validation)"
        if self.keeps_last:
            return f"this method keeps the last epoch's weights, whose validation loss is {self.best_loss:.4f}"
        return f"best validation loss {self.best_loss:.4f} at epoch {self.best_epoch}"
