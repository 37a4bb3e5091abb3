"""Stored numbers back into units."""

from __future__ import annotations

import numpy as np

from medcl.imaging.intensity import hu_window
from medcl.imaging.recipe import Recipe
from medcl.imaging.scale import HOUNSFIELD, NO_UNIT, Scale


def test_a_window_comes_back_in_hounsfield_units() -> None:
    voxels = np.arange(-400, 500, dtype=np.float32).reshape(1, 30, 30)
    scale = Scale.of(Recipe(hu_window=(-200.0, 300.0)))
    back = scale.intensities(hu_window(voxels, -200, 300))
    assert scale.unit == HOUNSFIELD == "HU"
    assert back.dtype == np.float32
    assert np.abs(back - np.clip(voxels, -200, 300)).max() < 1e-4


def test_other_recipes_have_no_unit() -> None:
    stored = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 2, 2)
    for intensity in ("zscore", "percentile"):
        scale = Scale.of(Recipe(intensity=intensity))
        assert scale.unit == NO_UNIT == "0..1"
        assert np.array_equal(scale.intensities(stored), stored)
