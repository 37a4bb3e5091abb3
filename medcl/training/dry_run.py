"""Two steps before the real thing: what a training will take in time, memory and disk. Nothing is left behind."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from medcl.study.errors import BadInput, RunFailed
from medcl.study.plural import counted
from medcl.training.checkpoint import content_bytes
from medcl.training.clock import DATA_WAIT, shares
from medcl.training.device_memory import device_memory
from medcl.training.finite import NotFinite
from medcl.training.memory import peak_memory, reset_peak_memory
from medcl.training.method import Method
from medcl.training.out_of_memory import out_of_memory_told
from medcl.training.phased import begin_epoch
from medcl.training.precision import resolve_precision
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
        peak_memory: bytes at the peak of a step, with the optimizer's numbers, the batches that are read ahead and
            volumes that stay on the device; None where the system does not tell.
        checkpoint_bytes: of one checkpoint; the run keeps last, previous and (weights only) best.
        memory: bytes that the device has, or None.
        micro_batch: what `--micro-batch auto` comes to, as a sentence; "" where nobody asked.
    """

    step_seconds: float
    images: int
    waiting_share: float
    steps: int
    epochs: int
    validation_seconds: float
    peak_memory: int | None
    checkpoint_bytes: int
    memory: int | None = None
    micro_batch: str = ""

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.epochs * (self.steps * self.step_seconds + self.validation_seconds)

    def sentences(self) -> list[str]:
        """Return the forecast in words."""
        memory = "unknown on this system" if self.peak_memory is None else size(self.peak_memory)
        there = "" if self.memory is None else f" of {size(self.memory)}"
        sentences = [
            f"A step of {counted(self.images, 'image')} takes {duration(self.step_seconds)}"
            f" ({self.waiting_share:.0%} of it waiting for data).",
            f"{counted(self.epochs, 'epoch')} of {counted(self.steps, 'step')}: about {duration(self.seconds)}, of it "
            f"{duration(self.epochs * self.validation_seconds)} validation.",
            f"Memory at the peak: {memory}{there}. A checkpoint takes {size(self.checkpoint_bytes)}.",
        ]
        return [*sentences, self.micro_batch] if self.micro_batch else sentences


def dry_run(
    method: Method,
    source: Source,
    settings: TrainingSettings,
    *,
    device: torch.device,
    options: Mapping[str, Any] | None = None,
) -> Forecast:
    """Train two steps and validate one batch; the method's weights and all random states are as before.

    Args:
        method, source, settings, device: as of a training.
        options: of the run, so that advice fits them when memory runs out.

    Raises:
        BadInput: the first epoch has no batches.
        RunFailed: a loss is not finite, or memory ran out.
    """
    plans = source.epoch(0)
    if not plans:
        raise BadInput("Epoch 1 has no batches: too few samples for --batch-size.")
    weights = copy.deepcopy(method.state_dict())
    precision = resolve_precision(settings.precision, device).name
    told = out_of_memory_told(device, lambda: "the dry run", {**(options or {}), "precision": precision})
    with untouched_randomness(device), told:
        seed_everything(settings.seed)
        try:
            forecast = _measure(method, source, settings, device, list(plans))
        except NotFinite as error:
            raise RunFailed(error.problems) from error  # a training saves the batch; a dry run writes nothing
        finally:
            method.load_state_dict(weights)
    return forecast


def _measure(
    method: Method, source: Source, settings: TrainingSettings, device: torch.device, plans: list[object]
) -> Forecast:
    reset_peak_memory(device)
    runner = StepRunner(method, settings, device)
    begin_epoch(method, source, 0, device)
    method.train()
    images = 0
    for index in range(STEPS):
        # all plans from here on, though one batch is taken: memory is read ahead into as it will be
        batches = source.batches(plans, 0, index % len(plans))
        runner.clock.end_epoch()
        runner.clock.restart(source.waited)
        batch = next(iter(batches))
        runner.clock.fetched(source.waited)
        images = len(batch.cases)
        runner.run(batch, 0, index % len(plans), len(plans), index)
        runner.check()
    seconds = runner.clock.end_epoch()
    memory = device_memory(device)
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
        memory=None if memory is None else memory.total,
        checkpoint_bytes=content_bytes(runner.state_dict()),
    )
