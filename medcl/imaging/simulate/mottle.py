"""Soft uneven patterns: a few plane waves of random direction, length and phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.shapes import Points


@dataclass(frozen=True)
class Mottle:
    """A pattern of plane waves: wave vectors (N, 3) in radians per mm and phases (N,) in radians."""

    waves: NDArray[np.float32]
    phases: NDArray[np.float32]

    @classmethod
    def draw(cls, random: np.random.Generator, length: float = 45.0, count: int = 4) -> Mottle:
        """Draw `count` waves of about `length` mm."""
        waves, phases = [], []
        for _ in range(count):
            waves.append(random.normal(0, 2 * np.pi / length, 3).astype(np.float32))
            phases.append(np.float32(random.uniform(0, 2 * np.pi)))
        return cls(np.array(waves), np.array(phases))

    def __call__(self, points: Points) -> NDArray[Any]:
        """Return the sum of the waves at points, float32; its variance is half their number."""
        x, y, z = points
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), dtype=np.float32)
        for (a, b, c), phase in zip(self.waves, self.phases, strict=True):
            total += np.sin(a * x + b * y + c * z + phase)
        return total
