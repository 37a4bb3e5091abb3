"""The distance of two histograms."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.intensity_distance import intensity_distance


def test_known_distances() -> None:
    image = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    assert intensity_distance(image, image[::-1, :, ::-1]) == pytest.approx(0, abs=1e-9)  # shapes are not looked at
    assert intensity_distance(image, image[:2] * 0) == pytest.approx(image.mean(), rel=1e-5)
    assert intensity_distance(np.zeros((4, 4), np.float32), np.ones(9, np.float32)) == 1
    assert intensity_distance(image, image + np.float32(0.25)) == pytest.approx(0.25, rel=1e-5)
    spread = np.array([0.0, 1.0], np.float32)
    assert intensity_distance(spread, np.array([0.5], np.float32)) == 0.5  # equal means, and far apart


def test_an_empty_side_has_no_distance() -> None:
    with pytest.raises(ValueError, match="one voxel"):
        intensity_distance(np.zeros(0, np.float32), np.zeros(1, np.float32))
