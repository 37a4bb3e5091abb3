"""Intensities to [0, 1], against the three steps of the paper's code written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging_phantoms import QUICK, seeds

from medcl.imaging.intensity import (
    CLIP_DEVIATIONS,
    Levels,
    hu_window,
    is_constant,
    normalise,
    normalised,
    percentile_levels,
    zscore_levels,
)


def three_steps(voxels: np.ndarray) -> np.ndarray:
    z = (voxels.astype(np.float64) - voxels.mean(dtype=np.float64)) / voxels.std(dtype=np.float64)
    z = np.clip(z, -5, 5)
    return (z - z.min()) / (z.max() - z.min())


def every_step(voxels: np.ndarray) -> np.ndarray:
    """What `normalise` does with each step taken, also where it changes nothing; in float32, slice by slice."""

    def rescale(part: np.ndarray, low: float, high: float) -> np.ndarray:
        cut = np.clip(part, np.float32(low), np.float32(high))
        return np.minimum((cut - np.float32(low)) * np.float32(1.0 / (high - low)), np.float32(1))

    result = np.stack([rescale(part, float(voxels.min()), float(voxels.max())) for part in voxels])
    means = [float(part.mean()) for part in result]
    squares = [float(np.mean(np.square(part - np.float32(mean)))) for part, mean in zip(result, means, strict=True)]
    deviation = np.sqrt(np.mean(squares) + np.var(means))
    bottom, top = max(0.0, np.mean(means) - 5 * deviation), min(1.0, np.mean(means) + 5 * deviation)
    return np.stack([rescale(part, float(bottom), float(top)) for part in result])


@QUICK
@given(seed=seeds, scale=st.floats(1e-3, 1e6), outliers=st.integers(0, 3))
def test_steps_that_are_left_out_change_no_bit(seed: int, scale: float, outliers: int) -> None:
    """Stored volumes are compared by hash, so what saves time must not round otherwise."""
    rng = np.random.default_rng(seed)
    voxels = (rng.normal(3, 1, (4, 9, 10)) * scale).astype(np.float32)
    voxels.reshape(-1)[:outliers] *= 40 * rng.choice([-1, 1])
    np.testing.assert_array_equal(normalise(voxels), every_step(voxels))
    window = sorted((scale * rng.normal(3, 1, 2)).tolist())
    if window[0] < window[1]:
        low, high = np.float32(window)
        plain = np.minimum((np.clip(voxels, low, high) - low) * np.float32(1 / (window[1] - window[0])), np.float32(1))
        np.testing.assert_array_equal(hu_window(voxels, *window), plain)


def test_rounding_never_goes_beyond_one() -> None:
    """Of these ranges some become 1 + 1e-7 when multiplied by the reciprocal in float32."""
    beyond = 0
    for top in (sevenths / 7 for sevenths in range(1, 200)):
        voxels = np.array([0, top, 2 * top], np.float32).reshape(3, 1, 1)
        beyond += bool(np.float32(top) * np.float32(1 / top) > 1)
        assert normalise(voxels[:2]).max() <= 1
        assert hu_window(voxels, 0, top).max() <= 1
    assert beyond, "the test would see nothing"


def test_constant_is_when_every_voxel_is_the_first() -> None:
    voxels = np.full((3, 4, 5), 2.5, np.float32)
    assert is_constant(voxels)
    voxels[2, 3, 4] = 2
    assert not is_constant(voxels)


@QUICK
@given(seed=seeds, scale=st.floats(1e-3, 1e6), outliers=st.integers(0, 3))
def test_it_is_z_score_clip_and_rescale(seed: int, scale: float, outliers: int) -> None:
    rng = np.random.default_rng(seed)
    voxels = (rng.normal(3, 1, (8, 9, 10)) * scale).astype(np.float32)
    voxels.reshape(-1)[:outliers] *= 40 * rng.choice([-1, 1])
    result = normalise(voxels)
    np.testing.assert_allclose(result, three_steps(voxels), atol=2e-6)
    assert result.dtype == np.float32
    assert result.min() == 0
    assert result.max() == pytest.approx(1, abs=1e-6)
    assert result.max() <= 1


def test_known_answer() -> None:
    """99 zeros and a 100: mean 1, deviation 9.95, so that 100 is cut to 1 + 5 * 9.95, which becomes 1."""
    voxels = np.zeros((1, 10, 10), np.float32)
    voxels[0, 0, 0] = 100
    voxels[0, 0, 1] = 10
    mean, deviation = voxels.mean(), voxels.std()
    assert normalise(voxels)[0, 0, 1] == pytest.approx(10 / (mean + CLIP_DEVIATIONS * deviation), rel=1e-5)
    assert normalise(voxels)[0, 0, 0] == 1


def test_a_large_offset_and_large_numbers_do_no_harm() -> None:
    pattern = np.random.default_rng(0).integers(0, 100, (6, 6, 6)).astype(np.float32)
    np.testing.assert_allclose(normalise(pattern + 1e5), normalise(pattern), atol=1e-5)
    np.testing.assert_allclose(normalise(pattern * 1e30), normalise(pattern), atol=1e-5)


def test_the_input_stays() -> None:
    voxels = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    normalise(voxels)
    hu_window(voxels, 1, 5)
    np.testing.assert_array_equal(voxels.ravel(), np.arange(8))


def test_it_works_in_place_and_on_a_part() -> None:
    voxels = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    part = voxels.copy()[1:4, :, 2:5]
    expected = normalise(part)
    assert normalise(part, out=part) is part
    np.testing.assert_array_equal(part, expected)
    window = voxels.copy()
    expected = hu_window(window, -1, 1)
    assert hu_window(window, -1, 1, out=window) is window
    np.testing.assert_array_equal(window, expected)


def test_slices_of_different_brightness_have_one_scale() -> None:
    voxels = np.random.default_rng(0).normal(size=(4, 30, 30)).astype(np.float32)
    voxels += np.array([0, 50, 3, -80], np.float32)[:, None, None]
    voxels[0, 0, 0] = 5000
    np.testing.assert_allclose(normalise(voxels), three_steps(voxels), atol=2e-6)


def test_hounsfield_window() -> None:
    voxels = np.array([-2000, -160, 40, 240, 3000], np.float32).reshape(1, 1, 5)
    np.testing.assert_allclose(hu_window(voxels, -160, 240).ravel(), [0, 0, 0.5, 1, 1])


@QUICK
@given(seed=seeds, scale=st.floats(1e-3, 1e6), outliers=st.integers(0, 3))
def test_levels_are_what_became_0_and_1(seed: int, scale: float, outliers: int) -> None:
    rng = np.random.default_rng(seed)
    voxels = (rng.normal(3, 1, (4, 9, 10)) * scale).astype(np.float32)
    voxels.reshape(-1)[:outliers] *= 40 * rng.choice([-1, 1])
    result, levels = normalised(voxels)
    again = levels.low + result.astype(np.float64) * (levels.high - levels.low)
    reach = levels.high - levels.low
    np.testing.assert_allclose(again, np.clip(voxels, levels.low, levels.high), atol=1e-5 * reach)
    alone = zscore_levels([voxels])
    assert (alone.low, alone.high) == pytest.approx((levels.low, levels.high), rel=1e-4, abs=1e-5 * reach)


@QUICK
@given(seed=seeds, parts=st.integers(1, 4))
def test_levels_of_several_images_are_those_of_one_that_holds_them_all(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    images = [rng.normal(50 * n, 1 + n, (1 + n, 6, 7)).astype(np.float32) for n in range(parts)]
    images[0][0, 0, 0] = 1e4
    whole = np.concatenate(images)
    mean, deviation = whole.mean(dtype=np.float64), whole.std(dtype=np.float64)
    levels = zscore_levels(images)
    assert levels.low == pytest.approx(max(whole.min(), mean - 5 * deviation), rel=1e-5)
    assert levels.high == pytest.approx(min(whole.max(), mean + 5 * deviation), rel=1e-5)
    joint = percentile_levels(images)
    assert (joint.low, joint.high) == pytest.approx(tuple(np.percentile(whole.astype(np.float64), (1, 99))), rel=1e-5)


def test_percentiles_known_answer() -> None:
    assert percentile_levels([np.arange(101, dtype=np.float32).reshape(1, 1, 101)]) == Levels(1, 99)
