from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medcl.figures.quality.statistics import MOST_SLICES, STATISTICS, filled_box, take_sample
from tests.figures.quality.quality_cases import SHAPE, entry, voxels


def value(name: str, volume: np.ndarray, **changed: object) -> float:
    sample = take_sample(volume, entry(shape=volume.shape, **changed))
    assert sample is not None
    return STATISTICS[name].of(sample)


def test_known_answers() -> None:
    volume = np.zeros((4, 4, 4), np.float32)
    volume[:2, :2, :2] = [[[0.2, 0.4], [0.2, 0.4]], [[0.2, 0.4], [1.0, 0.0]]]
    filled = np.array([0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 1.0])
    assert value("mean", volume) == pytest.approx(filled.mean())
    assert value("spread", volume) == pytest.approx(filled.std())
    assert value("limits", volume) == pytest.approx(2 / 8)
    assert value("empty", volume) == pytest.approx(1 - 8 / 64)
    steps = [0.2, 0.2, 0.2, 0.0, 0.0, 0.8]  # those to the voxel at 0 do not count
    assert value("sharpness", volume) == pytest.approx(np.mean(steps) / filled.std())


def test_edges_are_the_sources_whatever_the_axis() -> None:
    for spacing in ((3.0, 0.8, 0.9), (0.9, 3.0, 0.8)):
        assert value("longest_edge", voxels(0), source_spacing=spacing) == 3.0
        assert value("shortest_edge", voxels(0), source_spacing=spacing) == 0.8


def test_blurring_lowers_the_sharpness_and_noise_raises_it() -> None:
    big = gaussian_filter(np.random.default_rng(0).random((20, 20, 20)), 1.5).astype(np.float32)
    noisy = (big + np.random.default_rng(1).normal(0, 0.02, big.shape)).clip(0.01, 0.99).astype(np.float32)
    blurred = gaussian_filter(big, 2.0)
    assert value("sharpness", blurred) < value("sharpness", big) < value("sharpness", noisy)


def test_an_empty_volume_has_no_sample() -> None:
    assert take_sample(np.zeros(SHAPE, np.float32), entry()) is None
    assert filled_box(np.zeros(SHAPE, bool)) is None


def test_few_slices_are_read_and_the_ends_are_not_all() -> None:
    volume = np.full((100, 2, 2), 0.5, np.float32)
    sample = take_sample(volume, entry(shape=volume.shape))
    assert sample is not None
    assert MOST_SLICES / 2 < len(sample.slices) <= MOST_SLICES


def test_every_statistic_says_what_it_is() -> None:
    for statistic in STATISTICS.values():
        assert statistic.about.endswith(".")
        assert statistic.least > 0
