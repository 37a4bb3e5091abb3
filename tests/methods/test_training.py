"""Tasks, loader, methods and training loop together: a run that breaks off and resumes ends like an unbroken one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medcl.data.augment import Augmentation
from medcl.data.loader import Batch, Loader
from medcl.data.plan import BatchPlan
from medcl.data.source import TaskSource
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.methods.pair_contrast import PairContrast
from medcl.methods.simclr import Simclr
from medcl.networks.projection import Projection
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from tests.methods.small_study import samples

SIZE = (6, 8, 8)
CPU = torch.device("cpu")
OPTIONS = TaskOptions(seed=3, epochs=3, batch_size=8, pairs=24, steps=3, thresholds="10,30 10,20")
SETTINGS = TrainingSettings(epochs=3, lr=0.02, precision="fp32", seed=3, checkpoint_steps=1)
KINDS = [("variable", "sampled"), ("variable", "in-batch"), ("patient", "in-batch"), ("simclr", "sampled")]


def method(encoder: nn.Module, name: str, pairs: Any) -> PairContrast | Simclr:
    seed_everything(3)
    head = Projection(8, hidden=8, out=8)
    if name == "simclr":
        return Simclr(copy.deepcopy(encoder), head, images=8)
    return PairContrast(copy.deepcopy(encoder), head, pairs=pairs)


class PowerCut(Exception):
    """Ends a run in the middle of an epoch."""


class Source(TaskSource):
    """Breaks off before a batch of the second epoch."""

    cut = False

    def batches(
        self, plans: Sequence[BatchPlan], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[Batch]:
        for number, batch in enumerate(super().batches(plans, epoch, start, training=training), start=start):
            if self.cut and epoch == 1 and number == 1:
                raise PowerCut
            yield batch


def source(name: str, pairs: str) -> Source:
    made = samples(SIZE)
    return Source(build_task(name, pairs, made, OPTIONS), Loader(made, Augmentation(), OPTIONS.seed, CPU))


@pytest.mark.parametrize(("name", "pairs"), KINDS)
def test_a_resumed_run_ends_like_an_unbroken_one(
    small_encoder: nn.Module, tmp_path: Path, name: str, pairs: str
) -> None:
    unbroken = method(small_encoder, name, pairs)
    train(unbroken, source(name, pairs), SETTINGS, tmp_path / "unbroken", device=CPU)
    broken = source(name, pairs)
    broken.cut = True
    with pytest.raises(PowerCut):
        train(method(small_encoder, name, pairs), broken, SETTINGS, tmp_path / "resumed", device=CPU)
    resumed = method(small_encoder, name, pairs)
    train(resumed, source(name, pairs), SETTINGS, tmp_path / "resumed", device=CPU, resume=True)
    for (key, expected), (_, found) in zip(unbroken.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(expected, found), key
    start = method(small_encoder, name, pairs).state_dict()
    assert any(not torch.equal(start[key], value) for key, value in resumed.state_dict().items())


@pytest.mark.parametrize(("name", "pairs"), KINDS)
def test_a_run_writes_finite_losses_and_cosines(
    small_encoder: nn.Module, tmp_path: Path, name: str, pairs: str
) -> None:
    result = train(method(small_encoder, name, pairs), source(name, pairs), SETTINGS, tmp_path, device=CPU)
    assert result.best_loss is not None
    text = (tmp_path / "metrics.csv").read_text()
    assert "positive_cosine" in text
    assert "nan" not in text
    assert result.steps == 3 * len(source(name, pairs).epoch(0))
