"""The toy in two phases: from `change` on the encoder is frozen, and outputs are drawn to levels fixed before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from training_toy import BATCHES, IMAGES, ToyBatch, ToyMethod, ToySource

from medcl.training.step import Step


class OverviewToy(ToySource):
    """The toy's images, which can be looked at all together."""

    def overview(self) -> list[np.ndarray]:
        return np.array_split(np.arange(BATCHES * IMAGES), 4)


class TwoPhases(ToyMethod):
    """Remembers what it was told; `fixes` says whether what was fixed is taken for fixed when told again."""

    change = 2
    fixes = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("level", torch.zeros(()))
        self.register_buffer("fixed", torch.tensor(False))
        self.told: list[int] = []
        self.seen: list[Tensor] = []
        self.modes: list[bool] = []

    @property
    def collapse_loss(self) -> float | None:  # type: ignore[override]
        return None if self.fixed else 1.0

    def begin_epoch(self, epoch: int, images: Callable[[], Iterator[ToyBatch]]) -> list[str]:
        self.told.append(epoch)
        if epoch < self.change:
            return []
        self.encoder.requires_grad_(False)
        if self.fixed and self.fixes:
            return []
        self.eval()
        volumes = torch.cat([batch.volumes for batch in images()])
        self.seen.append(volumes)
        with torch.no_grad():
            self.level.copy_(self.head(self.encoder(volumes)).mean())
        self.fixed.fill_(True)
        return [f"The level is fixed before epoch {epoch + 1}.", "The encoder is frozen."]

    def steps(self, batch: ToyBatch) -> Iterator[Step]:
        self.modes.append(self.training)
        if not self.fixed:
            yield from super().steps(batch)
            return
        outputs = self.head(self.encoder(batch.volumes)).squeeze(1)
        pull = (outputs - self.level).square().mean()
        yield Step("head", (outputs - batch.aims).square().mean() + pull, {"pull": pull})


def overview_rows(plans: Sequence[Any]) -> list[int]:
    return [int(row) for rows in plans for row in rows]
