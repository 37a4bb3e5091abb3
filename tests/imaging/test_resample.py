"""Resampling: a linear field stays exactly what it was, in place and value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging_phantoms import AFFINE, QUICK, random_affine, seeds, stored_positions

from medcl.imaging.resample import resample
from medcl.imaging.volume import Volume

wide_shapes = st.tuples(*[st.integers(3, 24)] * 3)
factors = st.tuples(*[st.floats(0.4, 3.0)] * 3)


def interior(volume: Volume, source: Volume) -> np.ndarray:
    """Voxels whose neighbours all lie inside the source."""
    kept = np.ones(volume.shape, bool)
    for axis in range(3):
        factor = volume.spacing[axis] / source.spacing[axis]
        reach = int(np.ceil(4 * max(0.0, (factor - 1) / 2))) + 1 if factor > 1 else 0
        n, m = source.shape[axis], volume.shape[axis]
        place = (n - 1) / 2 + factor * (np.arange(m) - (m - 1) / 2)
        fine = (place >= reach) & (place <= n - 1 - reach)
        shape = [1, 1, 1]
        shape[axis] = -1
        kept &= fine.reshape(shape)
    return kept


def assert_field_is_kept(function: object, shape: tuple[int, int, int], affine: np.ndarray, spacing: np.ndarray) -> int:
    checked = 0
    for axis, values in enumerate(stored_positions(affine, shape)):
        source = Volume(values.astype(np.float32), affine)
        result = function(source, spacing)  # type: ignore[operator]
        kept = interior(result, source)
        told = stored_positions(result.affine, result.shape)[axis]
        np.testing.assert_allclose(result.voxels[kept], told[kept], atol=2e-3)
        checked += int(kept.sum())
    return checked


@QUICK
@given(shape=wide_shapes, seed=seeds, factor=factors)
def test_every_voxel_keeps_its_place(
    shape: tuple[int, int, int], seed: int, factor: tuple[float, float, float]
) -> None:
    affine = random_affine(seed)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[::-1] * factor
    assert_field_is_kept(resample, shape, affine, spacing)
    result = resample(Volume(np.zeros(shape, np.float32), affine), spacing)
    np.testing.assert_allclose(
        result.spacing, np.where(np.abs(np.array(factor) - 1) < 1e-3, spacing / factor, spacing), rtol=1e-6
    )
    for n, m, f in zip(shape, result.shape, factor, strict=True):
        assert abs(m * f - n) <= f / 2 + 1e-3 * n or m == 1


def test_the_property_checks_many_voxels_and_sees_half_a_voxel() -> None:
    def broken(source: Volume, spacing: np.ndarray) -> Volume:
        result = resample(source, spacing)
        affine = result.affine.copy()
        affine[:3, 3] += affine[:3, 0] / 2
        return Volume(result.voxels, affine)

    case = ((20, 20, 20), random_affine(5), np.full(3, 1.5))
    assert assert_field_is_kept(resample, *case) > 1000
    with pytest.raises(AssertionError):
        assert_field_is_kept(broken, *case)


def test_known_answers() -> None:
    line = Volume(np.array([0, 2, 4, 6], np.float32).reshape(1, 1, 4), np.eye(4))
    finer = resample(line, (1, 1, 0.5))
    np.testing.assert_allclose(finer.voxels.ravel(), [0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6])
    assert finer.affine[0, 3] == -0.25
    labels = Volume(np.array([1, 1, 2, 2], np.uint8).reshape(1, 1, 4), np.eye(4))
    nearest = resample(labels, (1, 1, 0.5), order=0)
    np.testing.assert_array_equal(nearest.voxels.ravel(), [1, 1, 1, 1, 2, 2, 2, 2])
    assert nearest.voxels.dtype == np.uint8
    np.testing.assert_allclose(nearest.affine, finer.affine)


def test_coarsening_does_not_alias() -> None:
    """A checkerboard becomes grey; every second voxel of it would be all black or all white."""
    stripes = np.tile(np.array([0.0, 1.0], np.float32), 32).reshape(1, 1, 64)
    coarse = resample(Volume(stripes, np.eye(4)), (1, 1, 3)).voxels.ravel()
    assert np.abs(coarse[2:-2] - 0.5).max() < 0.05
    assert stripes[0, 0, ::3].std() == pytest.approx(0.5, abs=0.01)


def test_a_constant_stays_constant_and_the_mean_is_kept() -> None:
    rng = np.random.default_rng(0)
    flat = resample(Volume(np.full((7, 8, 9), 3.0, np.float32), AFFINE), (2.2, 3.3, 0.7))
    np.testing.assert_allclose(flat.voxels, 3.0, rtol=1e-5)
    field = Volume(rng.normal(50, 10, (40, 40, 40)).astype(np.float32), np.eye(4))
    assert resample(field, (2, 2, 2)).voxels.mean() == pytest.approx(field.voxels.mean(), rel=0.01)


def test_the_same_spacing_changes_nothing() -> None:
    volume = Volume(np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32), AFFINE)
    same = resample(volume, (3.0, 2.0 * (1 + 1e-5), 1.0))
    assert same.voxels is volume.voxels
    np.testing.assert_array_equal(same.affine, volume.affine)


def test_one_slice_stays_one_slice() -> None:
    volume = Volume(np.random.default_rng(0).normal(size=(1, 6, 6)).astype(np.float32), np.diag([1.0, 1, 8, 1]))
    assert resample(volume, (40.0, 2, 2)).shape == (1, 3, 3)
