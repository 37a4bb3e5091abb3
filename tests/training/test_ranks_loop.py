"""The loop on two ranks: two optimizers, encoder-only passes, a frozen discriminator; killed and resumed exactly."""

from __future__ import annotations

import csv
import os
import random
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.training import loop, runner
from medcl.training.checkpoint import BEST, FOLDER, LAST, content_checksum, read_checkpoint
from medcl.training.distributed import own_rows, rank, world_size
from medcl.training.loop import train
from medcl.training.metrics import FILE, TIME_COLUMNS
from medcl.training.randomness import seed_everything
from medcl.training.settings import TrainingSettings
from medcl.training.step import Step
from tests.training.ranks import in_ranks
from tests.training.training_toy import ToyBatch, ToyMethod, ToySource, settings

pytestmark = pytest.mark.ddp

CPU = torch.device("cpu")


class SharedSource(ToySource):
    """The toy's images; in training each rank gets its part of a batch."""

    def batches(
        self, plans: Sequence[np.ndarray], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[ToyBatch]:
        shares = [rows[own_rows(len(rows))] if training else rows for rows in plans]
        for rows, batch in zip(plans[start:], super().batches(shares, epoch, start, training=training), strict=True):
            yield ToyBatch(batch.volumes.double(), batch.aims.double(), [f"P{row:03d}" for row in rows])


class Adversaries(nn.Module):
    """A generator against a discriminator, with a term that passes the generator's encoder alone."""

    collapse_loss: float | None = None

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh())
        self.decoder = nn.Conv2d(4, 1, 1)
        self.discriminator = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 1))
        self.never_used = nn.Parameter(torch.ones(3))

    def parameter_groups(self) -> dict[str, list[Any]]:
        generator = [*self.encoder.parameters(), *self.decoder.parameters(), self.never_used]
        return {"discriminator": list(self.discriminator.parameters()), "generator": generator}

    def steps(self, batch: ToyBatch) -> Iterator[Step]:
        made = self.decoder(self.encoder(batch.volumes))
        real, false = self.discriminator(batch.volumes), self.discriminator(made.detach())
        yield Step("discriminator", (real - 1).square().mean() + false.square().mean())
        self.discriminator.requires_grad_(False)
        content = self.encoder(batch.volumes).mean((1, 2, 3)) - batch.aims  # the encoder without the decoder
        loss = (self.discriminator(made) - 1).square().mean() + content.square().mean()
        self.discriminator.requires_grad_(True)
        yield Step("generator", loss, {"content": content.square().mean()})

    def validate(self, batch: ToyBatch) -> dict[str, Tensor]:
        errors = (self.decoder(self.encoder(batch.volumes)) - batch.volumes).square()
        return {"loss": errors.mean(), "weight": torch.tensor(float(len(errors)))}

    def after_step(self, epoch: int, step: int) -> None: ...


def adversaries(folder: Path, broken: str) -> dict[str, Any]:
    """Train on this rank; return the weights and the last epoch's loss."""
    if broken == "first optimizer only":
        average, known = runner.average_gradients, []

        def average_first(parameters: Sequence[nn.Parameter]) -> None:
            known.append(len(known))
            if len(known) % 2:
                average(parameters)

        runner.average_gradients = average_first
    seed_everything(0)
    method = Adversaries().double()
    own = folder if rank() == 0 else folder / "others-write-nothing"
    chosen = TrainingSettings(epochs=2, lr=0.05, warmup_epochs=0, precision="fp32", momentum=0.5, weight_decay=0.01)
    result = train(method, SharedSource(), chosen, own, device=CPU)
    return {**method.state_dict(), "last loss": torch.tensor(result.last_loss, dtype=torch.float64)}


def furthest(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def test_two_optimizers_of_two_ranks_end_like_one_process(tmp_path: Path) -> None:
    (alone,) = in_ranks(1, adversaries, tmp_path / "a", tmp_path / "one", "")
    for of_rank in in_ranks(2, adversaries, tmp_path / "b", tmp_path / "two", ""):
        assert furthest(alone, of_rank) < 1e-9
    assert torch.equal(alone["never_used"], torch.ones(3, dtype=torch.float64)), "no gradient, so no weight decay"
    for of_rank in in_ranks(2, adversaries, tmp_path / "c", tmp_path / "three", "first optimizer only"):
        assert furthest(alone, of_rank) > 1e-6, "the twin: an optimizer whose gradients are not averaged"


class UnequalToy(ToyMethod):
    """The toy, each of whose ranks draws other numbers; killed at a step of a rank."""

    kill: tuple[int, int] | None = None
    done = 0

    def steps(self, batch: ToyBatch) -> Iterator[Step]:
        if self.kill == (rank(), self.done):
            os.kill(os.getpid(), signal.SIGKILL)
        self.done += 1
        random.random() if rank() else None
        torch.rand(1 + rank())
        batch.volumes, batch.aims = batch.volumes.float(), batch.aims.float()
        yield from super().steps(batch)


def unequal(folder: Path, resume: bool, kill: tuple[int, int] | None, broken: str) -> None:
    if broken == "randomness of the first rank":
        gather = loop.gather_objects
        loop.gather_objects = lambda item: [gather(item)[0]] * world_size()
    if broken == "sums of the first rank":
        load = runner.StepRunner.load_own_state_dict
        runner.StepRunner.load_own_state_dict = lambda self, state: load(
            self, {**state, "sums": {"sums": {}, "counts": {}}} if rank() else state
        )
    seed_everything(0)
    method = UnequalToy()
    method.kill = kill
    train(method, SharedSource(validation=False), settings(epochs=2), folder, device=CPU, resume=resume)


def end_of(folder: Path) -> str:
    """Checksum of all that a run leaves behind but its times."""
    with (folder / FILE).open(newline="") as file:
        rows = [[cell for name, cell in row.items() if name not in TIME_COLUMNS] for row in csv.DictReader(file)]
    last, best = (read_checkpoint(folder / FOLDER / name) for name in (LAST, BEST))
    for own in last["ranks"]:
        own["runner"].pop("clock", None)
    last["place"].pop("validation_seconds")
    return content_checksum([last, best, rows])


@pytest.mark.slow
@pytest.mark.parametrize("of", [0, 1])
def test_a_rank_that_is_killed_and_resumed_ends_like_the_unbroken_run(tmp_path: Path, of: int) -> None:
    in_ranks(2, unequal, tmp_path / "a", tmp_path / "unbroken", False, None, "")
    run = tmp_path / "run"
    with pytest.raises(AssertionError):
        in_ranks(2, unequal, tmp_path / "b", run, False, (of, 4), "")
    in_ranks(2, unequal, tmp_path / "c", run, True, None, "")
    assert end_of(run) == end_of(tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["randomness of the first rank", "sums of the first rank"])
def test_a_resume_with_another_ranks_state_is_noticed(tmp_path: Path, broken: str) -> None:
    """The twin: what a rank has for itself must come back to it."""
    in_ranks(2, unequal, tmp_path / "a", tmp_path / "unbroken", False, None, "")
    run = tmp_path / "run"
    with pytest.raises(AssertionError):
        in_ranks(2, unequal, tmp_path / "b", run, False, (1, 4), broken)
    in_ranks(2, unequal, tmp_path / "c", run, True, None, broken)
    assert end_of(run) != end_of(tmp_path / "unbroken")
