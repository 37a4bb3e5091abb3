"""A method of two phases on two ranks: each ends with what the first one fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medcl.training import phased
from medcl.training.distributed import own_rows, rank
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.step import Step
from tests.training.ranks import in_ranks
from tests.training.training_toy import CPU, ToyBatch, ToyMethod, ToySource, settings

pytestmark = pytest.mark.ddp


class SharedOverview(ToySource):
    """In training each rank gets its part of a batch, in the overview all of it."""

    def overview(self) -> list[np.ndarray]:
        return [np.arange(20), np.arange(20, 30)]

    def batches(
        self, plans: Sequence[np.ndarray], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[ToyBatch]:
        shares = [rows[own_rows(len(rows))] if training else rows for rows in plans]
        return super().batches(shares, epoch, start, training=training)


class Disagree(ToyMethod):
    """Every rank finds another number of levels, which it keeps as a Python number too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("levels", torch.zeros(3, 8)[:, ::2])  # with gaps between its numbers
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("fixed", torch.tensor(False))
        self.register_buffer("unsaved", torch.zeros(2), persistent=False)
        self.known, self.looked_at = 0, 0

    def begin_epoch(self, epoch: int, images: Callable[[], Iterator[ToyBatch]]) -> list[str]:
        if epoch == 0 or self.fixed:
            return []
        self.looked_at = sum(len(batch.volumes) for batch in images())
        self.levels.copy_(torch.arange(12.0).reshape(3, 4) + rank())
        self.unsaved.fill_(1.0 + rank())
        self.fixed.fill_(rank() == 0)
        self.known = 5 + rank()
        self.count.fill_(self.known)
        return [f"rank {rank()}"]

    def _load_from_state_dict(self, state: Any, *others: Any) -> None:
        super()._load_from_state_dict(state, *others)
        self.known = int(state["count"])

    def steps(self, batch: ToyBatch) -> Iterator[Step]:
        for step in super().steps(batch):
            yield Step(step.optimizer, step.loss * (1 + self.levels.mean()), step.logs)


def disagree(folder: Path, broken: bool) -> dict[str, Any]:
    if broken:
        phased.share_buffers = lambda module: None
    seed_everything(0)
    method = Disagree()
    train(method, SharedOverview(validation=False), settings(epochs=2), folder, device=CPU)
    kept: dict[str, Tensor] = {**dict(method.named_buffers()), "weights": method.head.weight.detach()}
    return {**kept, "known": method.known, "looked at": method.looked_at}


def test_every_rank_has_the_first_ones_buffers_and_sees_all_images(tmp_path: Path) -> None:
    ends = in_ranks(2, disagree, tmp_path / "a", tmp_path / "run", False)
    for end in ends:
        assert torch.equal(end["levels"], torch.arange(12.0).reshape(3, 4))
        assert torch.equal(end["unsaved"], torch.ones(2))
        assert end["fixed"]
        assert (end["count"].item(), end["known"], end["looked at"]) == (5, 5, 30)
    assert torch.equal(ends[0]["weights"], ends[1]["weights"])


def test_ranks_that_keep_their_own_are_noticed(tmp_path: Path) -> None:
    first, second = in_ranks(2, disagree, tmp_path / "a", tmp_path / "run", True)
    assert not torch.equal(first["levels"], second["levels"])
    assert (first["known"], second["known"]) == (5, 6)
