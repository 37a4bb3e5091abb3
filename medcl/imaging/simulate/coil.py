"""What the receiver does to the image: uneven sensitivity of the coil elements, gain and noise.

Signal falls off from each surface element; scanners correct for part of that only. A magnitude image of a signal with
Gaussian noise in both channels has Rician noise (Gudbjartsson H, Patz S, Magn Reson Med 34:910, 1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from medcl.imaging.simulate.grid import Grid


@dataclass(frozen=True)
class Receiver:
    """The receiver in one exam.

    Args:
        elements: (N, 3) positions of the coil elements in mm, in the scanner.
        strengths: (N,) relative sensitivities.
        remaining: share of the shading (as exponent, 0 to 1) that the scanner's correction leaves.
        gain: stored units per unit of signal.
        noise: standard deviation in units of signal.
    """

    elements: NDArray[Any]
    strengths: NDArray[Any]
    remaining: float
    gain: float
    noise: float

    def shading(self, grid: Grid) -> NDArray[Any]:
        """Return the relative sensitivity at every voxel; its geometric mean over the volume is 1."""
        x, y, z = grid.points(grid.whole())
        total = np.full(grid.shape, 0.25, dtype=np.float32)
        for (a, b, c), strength in zip(self.elements.astype(np.float32), self.strengths, strict=True):
            square = (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2
            total += np.float32(strength) / (1 + square / np.float32(FALL_OFF_MM**2))
        log = np.float32(self.remaining) * np.log(total)
        return np.asarray(np.exp(log - log.mean()))

    def record(self, image: NDArray[Any], grid: Grid, random: np.random.Generator) -> NDArray[np.int16]:
        """Return the stored image: blurred by the finite sampling, shaded, noisy, scaled and rounded."""
        for axis in np.argsort(grid.spacing)[:2]:  # in the plane only
            image = correlate1d(image, BLUR, axis=int(axis), mode="nearest")
        image = image * self.shading(grid)
        noise = np.float32(self.noise)
        first = image + noise * random.standard_normal(image.shape, dtype=np.float32)
        second = noise * random.standard_normal(image.shape, dtype=np.float32)
        stored = np.sqrt(first**2 + second**2) * np.float32(self.gain)
        return np.asarray(np.clip(np.rint(stored), 0, 32767), dtype=np.int16)


FALL_OFF_MM = 120.0
"""Distance from a coil element at which its sensitivity is half."""

BLUR = np.array([0.16, 0.68, 0.16], dtype=np.float32)
"""Point spread in the plane, by voxels."""


def draw_receiver(shading: tuple[float, float], random: np.random.Generator) -> Receiver:
    """Draw a receiver whose remaining shading lies in the given range."""
    elements, strengths = [], []
    for front in (-1, 1):
        for place in (-100, 0, 100):
            elements.append(np.array([place, front * 135.0, 0.0]) + random.normal(0, [25, 12, 45]))
            strengths.append(np.exp(random.normal(0, 0.45)))
    return Receiver(
        np.array(elements),
        np.array(strengths),
        remaining=float(random.uniform(*shading)),
        gain=float(22000 * np.exp(random.normal(0, 0.35))),
        noise=float(np.exp(random.uniform(np.log(0.0008), np.log(0.003)))),
    )
