"""Seconds of work on a device, measured without making the host wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up the time of the blocks under `measure`: wall time on the CPU, time between events on a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._seconds = 0.0
        self._open: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Count what is done, or queued on the device, in the block."""
        if not self._cuda:
            began = time.perf_counter()
            yield
            self._seconds += time.perf_counter() - began
            return
        self._fold(wait=False)
        stream = torch.cuda.current_stream()
        start = stream.record_event(torch.cuda.Event(enable_timing=True))  # type: ignore[no-untyped-call]
        yield
        end = stream.record_event(torch.cuda.Event(enable_timing=True))  # type: ignore[no-untyped-call]
        self._open.append((start, end))

    @property
    def seconds(self) -> float:
        """Seconds so far; waits for what is still queued on the device."""
        self._fold(wait=True)
        return self._seconds

    def _fold(self, *, wait: bool) -> None:
        while self._open and (wait or _happened(self._open[0][1])):
            start, end = self._open.pop(0)
            end.synchronize()
            self._seconds += start.elapsed_time(end) / 1000


def _happened(event: torch.cuda.Event) -> bool:
    return bool(event.query())  # type: ignore[no-untyped-call]
