"""What a recipe's stored numbers mean: Hounsfield units where it has a window of them, else a scale without a unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.recipe import Recipe

HOUNSFIELD, NO_UNIT = "HU", "0..1"
"""The words for the two in tables."""


@dataclass(frozen=True)
class Scale:
    """From what is stored, in [0, 1], back to intensities.

    Attributes:
        low, high: what 0 and 1 stand for.
        unit: HOUNSFIELD or NO_UNIT.
    """

    low: float
    high: float
    unit: str

    @classmethod
    def of(cls, recipe: Recipe) -> Scale:
        """That of a recipe: its --hu-window, or 0 to 1, since other intensities are scaled image by image."""
        if recipe.hu_window is not None:
            return cls(*recipe.hu_window, HOUNSFIELD)
        return cls(0.0, 1.0, NO_UNIT)

    def intensities(self, stored: NDArray[np.float32]) -> NDArray[np.float32]:
        """low + s (high - low) for every stored number s, float32."""
        if self.unit == NO_UNIT:
            return stored
        return stored * np.float32(self.high - self.low) + np.float32(self.low)
