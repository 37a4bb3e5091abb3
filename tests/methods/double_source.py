"""Batches for runs of one process and of several that are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from medcl.data.loader import Batch
from medcl.data.source import TaskSource


class DoubleSource(TaskSource):
    """Batches in float64, in which sums in another order differ by no more than rounding."""

    def batches(self, *arguments: Any, **named: Any) -> Iterator[Batch]:
        for batch in super().batches(*arguments, **named):
            yield replace(batch, volumes=batch.volumes.double())
