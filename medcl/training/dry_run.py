"""Two steps before the real thing: what a training will take in time, memory and disk. Nothing is left behind."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import torch

from medcl.study.errors import BadInput
from medcl.training.checkpoint import content_bytes
from medcl.training.clock import DATA_WAIT, shares
from medcl.training.memory import peak_memory
from medcl.training.method import Method
from medcl.training.randomness import seed_everything, untouched_randomness
from medcl.training.runner import StepRunner
from medcl.training.settings import TrainingSettings
from medcl.training.source import Source
from medcl.training.validation import run_validation
from medcl.training.words import duration, size

STEPS = 2
"""The first step pays for one-off preparations, the second is the one that is timed."""


@dataclass(frozen=True)
class Forecast:
    """What to expect of a training.

    Attributes:
        step_seconds: of one step.
        images: in one step.
        waiting_share: part of it spent waiting for data.
        steps: of the first epoch.
        epochs: of the run.
        validation_seconds: of one epoch's validation.
        peak_memory: bytes so far, or None where the system does not tell.
        checkpoint_bytes: of one checkpoint; the run keeps last, previous and (weights only) best.
    """

    step_seconds: float
    images: int
    waiting_share: float
    steps: int
    epochs: int
    validation_seconds: float
    peak_memory: int | None
    checkpoint_bytes: int

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.epochs * (self.steps * self.step_seconds + self.validation_seconds)

    def sentences(self) -> list[str]:
        """Return the forecast in words."""
        memory = "unknown on this system" if self.peak_memory is None else size(self.peak_memory)
        return [
            f"A step of {self.images} images takes {duration(self.step_seconds)}"
            f" ({self.waiting_share:.0%} of it waiting for data).",
            f"{self.epochs} epochs of {self.steps} steps: about {duration(self.seconds)}, of it "
            f"{duration(self.epochs * self.validation_seconds)} validation.",
            f"Memory at the peak: {memory}. A checkpoint takes {size(self.checkpoint_bytes)}.",
        ]


def dry_run(method: Method, source: Source, settings: TrainingSettings, *, device: torch.device) -> Forecast:
    """Train two steps and validate one batch; the method's weights and all random states are as before.

    Raises:
        BadInput: the first epoch has no batches.
        RunFailed: a loss is not finite.
    """
    plans = source.epoch(0)
    if not plans:
        raise BadInput("Epoch 1 has no batches: too few samples for --batch-size.")
    weights = copy.deepcopy(method.state_dict())
    with untouched_randomness(device):
        seed_everything(settings.seed)
        try:
            forecast = _measure(method, source, settings, device, list(plans))
        finally:
            method.load_state_dict(weights)
    return forecast


def _measure(
    method: Method, source: Source, settings: TrainingSettings, device: torch.device, plans: list[object]
) -> Forecast:
    runner = StepRunner(method, settings, device)
    method.train()
    images = 0
    for index in range(STEPS):
        batches = source.batches([plans[index % len(plans)]], 0)
        runner.clock.end_epoch()
        runner.clock.restart(source.waited)
        batch = next(iter(batches))
        runner.clock.fetched(source.waited)
        images = len(batch.cases)
        runner.run(batch, 0, index % len(plans), len(plans), index)
        runner.check()
    seconds = runner.clock.end_epoch()
    held_out = source.validation()
    started = time.perf_counter()
    run_validation(method, source, held_out[:1], runner.precision, device, 0)
    validation = (time.perf_counter() - started) * len(held_out)
    return Forecast(
        step_seconds=sum(seconds.values()),
        images=images,
        waiting_share=shares(seconds)[DATA_WAIT],
        steps=len(plans),
        epochs=settings.epochs,
        validation_seconds=validation,
        peak_memory=peak_memory(device),
        checkpoint_bytes=content_bytes(runner.state_dict()),
    )
