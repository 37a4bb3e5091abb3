"""Where a run stands: what `--resume` needs to know besides tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass
class Place:
    """The place between two steps.

    Attributes:
        epoch: epochs that are over, which is also the number (from 0) of the one in progress.
        batch: batches of this epoch that are done; the source goes on from here.
        step: batches done in the whole run.
        images: images in these steps.
        epoch_images: images in this epoch's steps.
        best_loss: lowest validation loss so far.
        best_epoch: its epoch, from 1.
        validation_seconds: of all validations so far.
        last_loss: mean training loss of the last ended epoch.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    images: int = 0
    epoch_images: int = 0
    best_loss: float | None = None
    best_epoch: int = 0
    validation_seconds: float = 0.0
    last_loss: float = float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Return plain types for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the place that `state_dict` described."""
        return cls(**state)

    def in_words(self) -> str:
        """Return the place for messages."""
        if self.batch:
            return f"epoch {self.epoch + 1}, after batch {self.batch} (step {self.step})"
        return f"the end of epoch {self.epoch} (step {self.step})"
