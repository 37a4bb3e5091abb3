"""Two processes that share every batch end a segmentation of translated slices like one.

One process has more labelled source slices than the other, in some steps all of them: batches of one source and one
target slice are shared so that one process has the source's and the other the target's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medcl.data.loader import Batch
from medcl.methods import translated
from medcl.methods.translated import Translated
from medcl.training import loop, runner
from medcl.training.distributed import own_rows, rank
from medcl.training.loop import train
from medcl.training.settings import TrainingSettings
from tests.methods.slices_of_two import mixed_batch, small_generator, small_segmenter
from tests.training.ranks import in_ranks

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(epochs=2, lr=0.05, precision="fp32")
LABELLED = [(1, 0, 1, 0, 1), (1, 0), (1, 0, 0, 0, 1, 0)]
"""Of each step's slices, source and target in turn; the first process has 2, 1, 1 labelled ones, the other 1, 0, 1."""


class Shares:
    """Each process's part of three batches; the validation is of one image."""

    waited = 0.0

    def epoch(self, epoch: int) -> list[Batch]:
        return [self.made(labelled, 10 * epoch + number) for number, labelled in enumerate(LABELLED)]

    def validation(self) -> list[Batch]:
        return [mixed_batch(np.ones(4, bool), np.ones(4, bool), seed=77)]

    def made(self, labelled: Sequence[int], seed: int) -> Batch:
        return mixed_batch(np.arange(len(labelled)) % 2 == 0, np.array(labelled, bool), seed)

    def batches(self, plans: Sequence[Batch], epoch: int, start: int = 0, *, training: bool = True) -> Iterator[Batch]:
        for whole in plans[start:]:
            own = own_rows(len(whole.volumes)) if training else slice(None)
            assert whole.labels is not None
            yield replace(whole, volumes=whole.volumes[own], labels=whole.labels[own])


def trained(folder: Path, broken: str = "") -> dict[str, Tensor]:
    method = Translated(small_segmenter(deep=1), small_generator(), average=0.9)
    with pytest.MonkeyPatch.context() as patch:
        if broken == "counts":  # as if each process had the batch for itself
            patch.setattr(translated, "whole_batch_mean", lambda here, count: here / (2 if count == 3 else 1))
        if broken == "averaging":
            patch.setattr(runner, "average_gradients", lambda parameters: None)
        for save in ("save_checkpoint", "save_best"):
            patch.setattr(loop, save, lambda *_: None)
        result = train(method, Shares(), SETTINGS, folder if rank() == 0 else folder / "others", device=CPU)
    numbers = torch.tensor([result.last_loss, result.best_loss or 0.0], dtype=torch.float64)
    return {**{name: value.clone() for name, value in method.state_dict().items()}, "numbers": numbers}


def all_trained(folder: Path, broken: Sequence[str]) -> list[dict[str, Tensor]]:
    return [trained(folder / (each or "sound"), each) for each in broken]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Tensor]]]:
    """How it ended in one process, and on both of two ranks."""
    folder = tmp_path_factory.mktemp("translated")
    kinds = ["", "counts", "averaging"]
    ((alone,),) = in_ranks(1, all_trained, folder / "meeting of one", folder / "one", [""])
    ranks = in_ranks(2, all_trained, folder / "meeting of two", folder / "two", kinds)
    return {"alone": [alone]} | {kind: [of_rank[place] for of_rank in ranks] for place, kind in enumerate(kinds)}


def distance(ended: dict[str, list[dict[str, Tensor]]], kind: str) -> float:
    (alone,) = ended["alone"]
    return max(float((alone[name] - each[name]).abs().max()) for each in ended[kind] for name in alone)


def test_two_ranks_end_like_one_process(ended: dict[str, Any]) -> None:
    assert distance(ended, "") < 1e-9


@pytest.mark.parametrize("broken", ["counts", "averaging"])
def test_ranks_that_do_not_exchange_end_elsewhere(ended: dict[str, Any], broken: str) -> None:
    """The twin: without one part of the exchange the same comparison fails."""
    assert distance(ended, broken) > 1e-6
