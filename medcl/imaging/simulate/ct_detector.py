"""What a CT scanner stores: Hounsfield units as integers, blurred by the kernel, with noise that follows the dose.

The variance of the noise goes with the reciprocal of the photons that reach the detector (Brooks RA, Di Chiro G, Med
Phys 3:237, 1976): with the reciprocal of the dose, and up with what the body takes away. Filtered back-projection
leaves little of it at low spatial frequencies (Riederer SJ, Pelc NJ, Chesler DA, Phys Med Biol 23:446, 1978).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

REFERENCE_NOISE, REFERENCE_MM = 14.0, 280.0
"""Standard deviation in HU at the reference dose in a body of so many mm of water. Chosen."""

WATER_PER_MM = 0.019
"""Attenuation of water; 0.0206 at 60 keV and 0.0184 at 80 keV (NIST, Hubbell JH, Seltzer SM, 1995)."""

CONTROL = 0.5
"""Share of the body's attenuation that the automatic exposure control makes up for. Chosen."""

STORED = (-1024, 3071)
"""The range of 12 bits that scanners store."""


@dataclass(frozen=True)
class Detector:
    """A CT acquisition.

    Args:
        dose: relative to the reference.
        kernel: share of a pixel's value that the reconstruction kernel leaves in it, along each axis of the plane.
    """

    dose: float
    kernel: float

    def noise(self, thickness: float) -> float:
        """Return the noise' standard deviation in HU in a body of so many mm of water."""
        more = (1 - CONTROL) * WATER_PER_MM * (thickness - REFERENCE_MM)
        return float(REFERENCE_NOISE * np.exp(0.5 * more) / np.sqrt(self.dose))

    def record(self, image: NDArray[Any], thickness: float, random: np.random.Generator) -> NDArray[np.int16]:
        """Return the stored image.

        Args:
            image: (x, y, z) in HU, planes along the first two axes.
            thickness: of the body in mm of water.
            random: the image's own generator.
        """
        side = 0.5 * (1 - self.kernel)
        blur = np.array([side, self.kernel, side], dtype=np.float32)
        grain = random.standard_normal(image.shape, dtype=np.float32)
        for axis in (0, 1):
            image = correlate1d(image, blur, axis=axis, mode="nearest")
            grain = correlate1d(grain, blur, axis=axis, mode="wrap")
        coarse = grain
        for axis in (0, 1):
            coarse = correlate1d(coarse, np.full(7, 1 / 7, dtype=np.float32), axis=axis, mode="wrap")
        grain = grain - coarse
        stored = image + grain * np.float32(self.noise(thickness) / max(float(grain.std()), 1e-6))
        return np.asarray(np.clip(np.rint(stored), *STORED), dtype=np.int16)


def draw_detector(random: np.random.Generator) -> Detector:
    """Draw an acquisition, from low dose to a generous one."""
    return Detector(float(np.exp(random.normal(0, 0.5))), float(random.uniform(0.55, 0.85)))
