"""One batch through a method: each loss backward, each gradient averaged and clipped, each optimizer stepped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from medcl.study.errors import RunFailed
from medcl.training.clock import BACKWARD, COMMUNICATION, FORWARD, OPTIMIZER, StepClock
from medcl.training.distributed import average_gradients, world_size
from medcl.training.finite import FiniteWatch
from medcl.training.gathered_norm import gather_norms
from medcl.training.health import HEALTH_EVERY, effective_rank, spread
from medcl.training.method import Method
from medcl.training.optimizers import build_optimizers, parameters_of, set_learning_rates
from medcl.training.precision import resolve_precision
from medcl.training.schedule import learning_rate_factor
from medcl.training.settings import TrainingSettings
from medcl.training.source import Batch
from medcl.training.step import Step
from medcl.training.sums import RunningSums

_SMALLEST_SCALE = 2.0**-10
"""A gradient scaler that fell this far (from 65,536) has met 26 overflows without a good step between."""


class StepRunner:
    """Everything that changes while a method trains, apart from the place in the run.

    Args:
        method: moved to `device` here; with several ranks its batch norms are made to see all of them.
        settings: of the training.
        device: where it trains.
    """

    def __init__(self, method: Method, settings: TrainingSettings, device: torch.device) -> None:
        self.method = method
        self.settings = settings
        self.device = device
        method.to(device)
        gather_norms(method, device)
        self.precision = resolve_precision(settings.precision, device)
        self.optimizers = build_optimizers(method.parameter_groups(), settings)
        self.scaler = self.precision.scaler()
        self.sums = RunningSums(device)
        self.clock = StepClock(device)
        self.watch = FiniteWatch()
        self._looked_at: list[Tensor] = []

    def run(self, batch: Batch, epoch: int, index: int, batches: int, step: int) -> None:
        """Do all updates of one batch.

        Args:
            batch: on the device.
            epoch: from 0.
            index: the batch in the epoch, from 0.
            batches: batches of the epoch.
            step: batches done in the run before this one.
        """
        settings = self.settings
        factor = learning_rate_factor(
            epoch,
            index,
            batches,
            epochs=settings.epochs,
            warmup=settings.warmup,
            schedule=settings.schedule,
            start=settings.start,
            end=settings.end,
            constant=settings.constant,
        )
        set_learning_rates(self.optimizers, factor)
        words = f"step {step + 1} (epoch {epoch + 1}, batch {index + 1} of {batches})"
        losses: list[Tensor] = []
        for part in self._steps(batch):
            norm = self._update(part)
            self.watch.note(part.loss, norm if self.scaler is None else None, words, batch.cases, epoch, index)
            self._log(part, norm, look=index % HEALTH_EVERY == 0)
            losses.append(part.loss.detach())
        if losses:
            self.sums.add({"loss": torch.stack(losses).sum()})
        self.method.after_step(epoch, step + 1)
        self.clock.mark(OPTIMIZER)

    def check(self) -> None:
        """Read what is still on the device.

        Raises:
            RunFailed: a loss or gradient was not finite.
        """
        self.watch.check()
        for embeddings in self._looked_at:  # here, because singular values make the host wait for a GPU
            self.sums.add({"spread": spread(embeddings), "effective_rank": effective_rank(embeddings)})
        self._looked_at.clear()
        if self.scaler is not None and self.scaler.get_scale() < _SMALLEST_SCALE:
            raise RunFailed(
                "Every gradient overflows in fp16 (the gradient scaler gave up); use --precision bf16 or fp32."
            )
        self.clock.settle()

    def learning_rates(self) -> dict[str, float]:
        """Return the learning rate of each optimizer's first parameter group, as columns of metrics.csv."""
        return {
            self._column("lr", name): float(optimizer.param_groups[0]["lr"])
            for name, optimizer in self.optimizers.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what all ranks have alike, for a checkpoint: weights, optimizers, scaler."""
        return {
            "method": dict(self.method.state_dict()),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
        }

    def own_state_dict(self) -> dict[str, Any]:
        """Return what each rank has for itself: running sums and times."""
        return {"sums": self.sums.state_dict(), "clock": self.clock.state_dict()}

    def load_own_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `own_state_dict` of the same rank."""
        self.sums.load_state_dict(state["sums"])
        self.clock.load_state_dict(state["clock"])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.method.load_state_dict(state["method"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])

    def _steps(self, batch: Batch) -> Iterator[Step]:
        """Advance the method's generator under autocast and nothing else (backward passes run outside of it)."""
        steps = iter(self.method.steps(batch))
        while True:
            with self.precision.autocast():
                part = next(steps, None)
            if part is None:
                return
            self.clock.mark(FORWARD)
            yield part

    def _update(self, part: Step) -> Tensor:
        """Step one optimizer; return its gradient's norm before clipping."""
        optimizer = self.optimizers[part.optimizer]
        parameters = parameters_of(optimizer)
        optimizer.zero_grad(set_to_none=True)  # also drops what another optimizer's loss left in these parameters
        loss = part.loss if self.scaler is None else self.scaler.scale(part.loss)
        loss.backward()  # type: ignore[no-untyped-call]
        self.clock.mark(BACKWARD)
        if world_size() > 1:
            average_gradients(parameters)
            self.clock.mark(COMMUNICATION)
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)
        limit = float("inf") if self.settings.clip is None else self.settings.clip
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()
        self.clock.mark(OPTIMIZER)
        return norm

    def _log(self, part: Step, norm: Tensor, look: bool) -> None:
        values = {name: value for name, value in part.logs.items() if name != "loss"}  # the batch's sum is added apart
        if len(self.optimizers) > 1:
            values[self._column("loss", part.optimizer)] = part.loss
        if self.scaler is None:
            values[self._column("grad_norm", part.optimizer)] = norm
        if look and part.embeddings is not None:
            self._looked_at.append(part.embeddings.detach())
        self.sums.add(values)

    def _column(self, name: str, optimizer: str) -> str:
        return name if len(self.optimizers) == 1 else f"{name}_{optimizer}"
