"""Where a step's time goes: waiting for data, augmentation, forward, backward, communication, optimizer.

On CUDA the laps are timed by events on the device's own stream and read when the loop reads its losses, so that
timing adds no synchronisation; elsewhere by the host's clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

DATA_WAIT, AUGMENTATION = "data_wait", "augmentation"
FORWARD, BACKWARD = "forward", "backward"
COMMUNICATION, OPTIMIZER = "communication", "optimizer"
PHASES = (DATA_WAIT, AUGMENTATION, FORWARD, BACKWARD, COMMUNICATION, OPTIMIZER)
"""Communication is the averaging of gradients; the gathering of a batch's rows is part of forward and backward."""


class StepClock:
    """Adds up the seconds of each phase, of the epoch and of the whole run.

    The time of getting a batch is split by what the source says that its callers waited: that part, at most the
    whole of it, is `data_wait`; the rest (moving and augmenting the batch) is `augmentation`.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._pending: list[tuple[str, float, torch.cuda.Event]] = []
        self._last_event: torch.cuda.Event | None = None
        self._last = 0.0
        self._waited = 0.0
        self.epoch = dict.fromkeys(PHASES, 0.0)
        self.run = dict.fromkeys(PHASES, 0.0)

    def restart(self, waited: float) -> None:
        """Begin counting now; `waited` is the source's counter."""
        self.settle()
        self._waited = waited
        self._last = time.perf_counter()
        self._last_event = self._record() if self._cuda else None

    def fetched(self, waited: float) -> None:
        """End the lap in which a batch was got; `waited` is the source's counter now."""
        self._lap(DATA_WAIT, waited - self._waited)
        self._waited = waited

    def mark(self, phase: str) -> None:
        """End a lap that belongs to `phase`."""
        self._lap(phase, 0.0)

    def settle(self) -> None:
        """Read the laps that are still on the device (this waits for it)."""
        if not self._pending:
            return
        self._pending[-1][2].synchronize()
        for phase, waited, event in self._pending:
            assert self._last_event is not None
            self._add(phase, waited, self._last_event.elapsed_time(event) / 1000)
            self._last_event = event
        self._pending.clear()

    def end_epoch(self) -> dict[str, float]:
        """Return the seconds of the epoch's phases and start the next epoch at zero."""
        self.settle()
        ended, self.epoch = self.epoch, dict.fromkeys(PHASES, 0.0)
        return ended

    def state_dict(self) -> dict[str, Any]:
        """Return the sums for a checkpoint."""
        self.settle()
        return {"epoch": dict(self.epoch), "run": dict(self.run)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self.epoch, self.run = dict(state["epoch"]), dict(state["run"])

    def _lap(self, phase: str, waited: float) -> None:
        if self._cuda:
            self._pending.append((phase, waited, self._record()))
            return
        now = time.perf_counter()
        self._add(phase, waited, now - self._last)
        self._last = now

    def _add(self, phase: str, waited: float, seconds: float) -> None:
        parts = {phase: seconds}
        if phase == DATA_WAIT:
            wait = min(max(waited, 0.0), seconds)
            parts = {DATA_WAIT: wait, AUGMENTATION: seconds - wait}
        for name, part in parts.items():
            self.epoch[name] += part
            self.run[name] += part

    @staticmethod
    def _record() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def shares(seconds: Mapping[str, float]) -> dict[str, float]:
    """Return each phase's share of the step time; all 0 when nothing was timed."""
    total = sum(seconds.values())
    return {phase: seconds[phase] / total if total else 0.0 for phase in PHASES}
