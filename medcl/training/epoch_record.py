"""What an ended epoch was: the rows of metrics.csv, and the summary that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medcl.training.clock import DATA_WAIT, shares
from medcl.training.place import Place
from medcl.training.report import EpochSummary


@dataclass(frozen=True)
class EpochRecord:
    """The numbers of an epoch.

    Attributes:
        means: of the training steps, "loss" among them.
        rates: learning rates of the last step, by column.
        seconds: of the steps, by phase.
        validation: validation means, or None.
        validated: seconds of the validation.
    """

    means: Mapping[str, float]
    rates: Mapping[str, float]
    seconds: Mapping[str, float]
    validation: Mapping[str, float] | None
    validated: float

    @property
    def whole(self) -> float:
        """Seconds of steps and validation."""
        return sum(self.seconds.values()) + self.validated

    def rows(self, place: Place, collapse_loss: float | None) -> list[dict[str, object]]:
        """Return the rows of metrics.csv, given the place at the end of the epoch's last step."""
        keys: dict[str, object] = {"epoch": place.epoch + 1, "step": place.step}
        row = {**keys, "split": "train", "loss": self.means["loss"], **self.means, **self.rates}
        if collapse_loss is not None:
            row["collapse_distance"] = self.means["loss"] - collapse_loss
        row["images"] = place.epoch_images
        row["seconds"] = sum(self.seconds.values())
        row |= {f"{phase}_share": share for phase, share in shares(self.seconds).items()}
        if self.validation is None:
            return [row]
        return [row, {**keys, "split": "val", **self.validation, "seconds": self.validated}]

    def summary(self, epoch: int, epochs: int, best: bool, seconds_left: float) -> EpochSummary:
        """Return what is shown; `epoch` counts from 1."""
        return EpochSummary(
            epoch=epoch,
            epochs=epochs,
            losses=losses_of(self.means),
            validation=self.validation,
            best=best,
            lr=next(iter(self.rates.values())),
            seconds=self.whole,
            waiting_share=shares(self.seconds)[DATA_WAIT],
            seconds_left=seconds_left,
        )


def losses_of(means: Mapping[str, float]) -> dict[str, float]:
    """Return the means that are losses, the total first."""
    names = sorted((name for name in means if name.startswith("loss")), key=lambda name: name != "loss")
    return {name: means[name] for name in names}
