"""A toy with everything that a resume can get wrong, small enough to train in a tenth of a second.

Convolution, batch norm, dropout, two optimizers, an EMA teacher, draws from Python's, NumPy's and torch's generators;
a source whose plans and augmentation depend on (seed, epoch, sample) only.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medcl.training import checkpoint, loop
from medcl.training.loop import train
from medcl.training.randomness import seed_everything
from medcl.training.report import SilentReport
from medcl.training.settings import TrainingSettings
from medcl.training.step import Step

EPOCHS, BATCHES, IMAGES = 4, 5, 6
CPU = torch.device("cpu")


class ToyMethod(nn.Module):
    """A regression on the images' mean by an encoder and a head, each with its own optimizer."""

    collapse_loss: float | None = None

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _encoder()
        self.head = nn.Linear(8, 1)
        self.teacher = _encoder().requires_grad_(False)
        self.teacher.load_state_dict(self.encoder.state_dict())

    def parameter_groups(self) -> dict[str, list[Any]]:
        return {
            "encoder": list(self.encoder.parameters()),
            "head": [{"params": list(self.head.parameters()), "lr": 0.05}],
        }

    def steps(self, batch: ToyBatch) -> Iterator[Step]:
        noise = 0.1 * random.random() + 0.1 * float(np.random.rand())
        features = self.encoder(batch.volumes + noise * torch.randn_like(batch.volumes))
        with torch.no_grad():
            aim = self.teacher(batch.volumes)
        consistency = (features - aim).square().mean()
        loss = (self.head(features).squeeze(1) - batch.aims).square().mean() + 0.1 * consistency
        yield Step("encoder", loss, {"consistency": consistency}, embeddings=features)
        features = self.encoder(batch.volumes).detach()
        yield Step("head", (self.head(features).squeeze(1) - batch.aims).square().mean())

    def validate(self, batch: ToyBatch) -> dict[str, Tensor]:
        torch.rand(3)  # a validation that draws must not move the training's generators
        errors = (self.head(self.encoder(batch.volumes)).squeeze(1) - batch.aims).square()
        return {"loss": errors.mean(), "worst": errors.max(), "weight": torch.tensor(float(len(errors)))}

    def after_step(self, epoch: int, step: int) -> None:
        with torch.no_grad():
            for slow, fast in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
                slow.lerp_(fast, 0.1)


def _encoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@dataclass
class ToyBatch:
    volumes: Tensor
    aims: Tensor
    cases: list[str]


class ToySource:
    """Images of noise around a level; `seconds` is how long reading a batch pretends to take."""

    def __init__(self, seed: int = 0, seconds: float = 0.0, validation: bool = True) -> None:
        generator = torch.Generator().manual_seed(seed)
        count = BATCHES * IMAGES
        self.aims = torch.rand(count, generator=generator)
        self.images = self.aims[:, None, None, None] + 0.1 * torch.randn(count, 1, 6, 6, generator=generator)
        self.seed, self.seconds, self.waited = seed, seconds, 0.0
        self.held_out = [np.arange(4), np.arange(4, 6)] if validation else []
        self.asked: list[tuple[int, int, bool]] = []

    def epoch(self, epoch: int) -> list[np.ndarray]:
        order = np.random.default_rng((self.seed, epoch)).permutation(BATCHES * IMAGES)
        return list(order.reshape(BATCHES, IMAGES))

    def validation(self) -> list[np.ndarray]:
        return self.held_out

    def batches(
        self, plans: Sequence[np.ndarray], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[ToyBatch]:
        self.asked.append((epoch, start, training))
        for rows in plans[start:]:
            if self.seconds:
                time.sleep(self.seconds)
                self.waited += self.seconds
            volumes = self.images[rows].clone()
            if training:
                for image, row in zip(volumes, rows, strict=True):
                    key = torch.Generator().manual_seed(hash((self.seed, epoch, int(row))) % 2**31)
                    image += 0.05 * torch.randn(image.shape, generator=key)
            yield ToyBatch(volumes, self.aims[rows], [f"P{row:03d}" for row in rows])


def settings(**changed: Any) -> TrainingSettings:
    warmup = float(changed.get("epochs", EPOCHS) > 1)
    usual = {"epochs": EPOCHS, "lr": 0.05, "warmup_epochs": warmup, "precision": "fp32", "checkpoint_steps": 3}
    return TrainingSettings(**{**usual, **changed})


def run(
    folder: Path, *, resume: bool = False, source: Any = None, report: Any = None, method: Any = None, **changed: Any
) -> Any:
    """Train the toy from its seed in `folder`."""
    options = changed.pop("options", None)
    chosen = settings(**changed)
    seed_everything(chosen.seed)
    method = method or ToyMethod()
    source = source or ToySource(chosen.seed)
    return train(method, source, chosen, folder, report, device=CPU, options=options, resume=resume)


# What the processes of test_kill_and_resume.py do.


def work(
    folder: str, resume: bool, kill: tuple[str, int] | None, broken: str | None, seconds: float, mark: str
) -> None:
    """Train in a process of its own, that kills itself at `kill` and whose resume is spoiled as `broken` says."""
    torch.set_num_threads(1)
    source = ToySource(seconds=seconds)
    _break(broken, source)
    report = _MarkingReport(Path(mark))
    if kill is not None:
        _arm(*kill, report)
    run(Path(folder), resume=resume, source=source, report=report)


class _MarkingReport(SilentReport):
    def __init__(self, mark: Path) -> None:
        self.mark = mark
        self.steps = 0
        self.kill_at = -1

    def step(self, done: int, losses: Any) -> None:
        self.mark.touch()
        self.steps += 1
        if self.steps == self.kill_at:
            _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(where: str, count: int, report: _MarkingReport) -> None:
    """Die at the `count`-th step, half-written checkpoint, or rename onto the file `where`."""
    if where == "step":
        report.kill_at = count
        return
    seen = 0
    replace, save = os.replace, torch.save

    def counted() -> bool:
        nonlocal seen
        seen += 1
        return seen == count

    def deadly_replace(source: Any, target: Any) -> None:
        if Path(target).name == where and counted():
            _die()
        replace(source, target)

    def deadly_save(content: Any, file: Any) -> None:
        if counted():
            start = file.tell()
            save(content, file)
            file.truncate(start + (file.tell() - start) // 2)
            _die()
        save(content, file)

    if where == "half":
        checkpoint.torch.save = deadly_save
    else:
        os.replace = deadly_replace


def _break(what: str | None, source: ToySource) -> None:
    """Spoil one thing that a resume needs."""
    if what == "randomness":
        loop.restore_randomness = lambda state, device: None
    if what == "position":
        batches = source.batches
        source.batches = lambda plans, epoch, start=0, *, training=True: batches(plans, epoch, 0, training=training)
    if what == "optimizers":
        torch.optim.SGD.load_state_dict = lambda self, state: None
    if what == "teacher":
        load = ToyMethod.load_state_dict
        ToyMethod.load_state_dict = lambda self, state: load(
            self, {**state, **{name: value for name, value in self.state_dict().items() if name.startswith("teacher")}}
        )
    if what == "sums":
        loop.StepRunner.load_own_state_dict = _load_without_sums(loop.StepRunner.load_own_state_dict)
    if what == "metrics":
        loop.Metrics.cut_back = lambda self, epochs: None


def _load_without_sums(load: Any) -> Any:
    return lambda self, state: load(self, {**state, "sums": {"sums": {}, "counts": {}}})
