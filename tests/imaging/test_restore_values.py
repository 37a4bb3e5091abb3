"""Continuous values back on original grids: exact where axes only turn, linear elsewhere, and silent outside."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from imaging_phantoms import QUICK, random_affine, seeds, stored_positions
from scipy import ndimage

from medcl.imaging import between_grids
from medcl.imaging.canonical import canonical
from medcl.imaging.fit import crop_or_pad, unpadded
from medcl.imaging.geometry import shifted
from medcl.imaging.resample import resample
from medcl.imaging.restore_values import restored_values
from medcl.imaging.volume import Volume

SHAPE = (7, 8, 9)
OUTSIDE = -100.0
ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((1.0, -1.0), repeat=3)))


def noise(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 300, shape).astype(np.float32)


@pytest.mark.parametrize("tilt", [0.0, 20.0])
@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_turned_grids_come_back_to_the_last_bit(order: tuple[int, ...], signs: tuple[float, ...], tilt: float) -> None:
    affine = np.eye(4)
    affine[:3, :3] = random_affine(3, tilt)[:3, :3] @ np.eye(3)[:, list(order)] * np.array(signs)
    affine[:3, :3] *= np.array([1.3, 0.8, 2.7]) / np.linalg.norm(affine[:3, :3], axis=0)
    affine[:3, 3] = (12.0, -40.0, 7.5)
    voxels = noise()
    stored = crop_or_pad(canonical(voxels, affine), (5, 12, 7), affine[:3] @ (4.0, 3.0, 3.0, 1.0))
    back = restored_values(stored.voxels, stored.affine, SHAPE, affine, OUTSIDE)
    there = np.isin(voxels, stored.voxels)
    assert 0 < there.sum() < voxels.size  # some were cut off
    assert back.voxels.dtype == np.float32
    assert np.array_equal(back.voxels[there], voxels[there])
    assert np.array_equal(back.affine, affine)


@QUICK
@given(seeds)
def test_a_ramp_comes_back_where_it_was_on_any_two_grids(seed: int) -> None:
    stored, original = random_affine(seed), random_affine(seed + 1)
    original[:3, 3] = stored[:3] @ (4.5, 4.5, 4.5, 1) - original[:3, :3] @ (5, 5, 5)
    slope = np.random.default_rng(seed).normal(size=3)

    def ramp(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(np.tensordot(slope, stored_positions(affine, shape), 1))

    values = ramp(stored, (10, 10, 10)).astype(np.float32)
    back = restored_values(values, stored, (11, 11, 11), original, 1e6).voxels
    places = stored_positions(original, (11, 11, 11)).reshape(3, -1)
    index = (np.linalg.inv(stored) @ np.vstack([places, np.ones(11**3)]))[:3].reshape(3, 11, 11, 11)
    inner = ((index > 0) & (index < 9)).all(axis=0)
    outer = ((index < -1) | (index > 10)).any(axis=0)
    assert inner.any()
    assert np.abs(back - ramp(original, (11, 11, 11)))[inner].max() < 1e-3
    assert (back[outer] == 1e6).all()


def test_what_was_cropped_has_the_outer_value_and_nothing_leaks_into_it() -> None:
    moved = np.eye(4)
    moved[:3, 3] = (2, 2, 2)
    back = restored_values(np.full((4, 4, 4), 50, np.float32), moved, (8, 8, 8), np.eye(4), OUTSIDE).voxels
    expected = np.full((8, 8, 8), OUTSIDE)
    expected[2:6, 2:6, 2:6] = 50
    assert np.array_equal(back, expected)
    moved[:3, 3] = 100
    assert (restored_values(np.ones((4, 4, 4), np.float32), moved, (8, 8, 8), np.eye(4), 7.0).voxels == 7).all()


def test_a_finer_grid_is_interpolated_as_scipy_does() -> None:
    values = noise((9, 9, 9))
    fine = np.diag([0.37, 0.41, 0.29, 1.0])
    found = restored_values(values, np.eye(4), (25, 20, 22), fine, OUTSIDE).voxels
    expected = ndimage.affine_transform(
        values, np.diag([0.29, 0.41, 0.37]), output_shape=(25, 20, 22), order=1, mode="nearest"
    )
    assert np.abs(found - expected).max() < 1e-2


def test_slabs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, original = random_affine(7), random_affine(8)
    original[:3, 3] = stored[:3, 3]
    once = restored_values(noise(), stored, (20, 21, 22), original, OUTSIDE).voxels
    assert (once != OUTSIDE).any()
    monkeypatch.setattr(between_grids, "SLAB_VOXELS", 50)
    assert np.allclose(restored_values(noise(), stored, (20, 21, 22), original, OUTSIDE).voxels, once)


@pytest.mark.parametrize("size", [(5, 12, 7), (20, 20, 20), (3, 3, 3), (7, 8, 9)])
@pytest.mark.parametrize("seed", [0, 1])
def test_padding_is_told_from_the_image(size: tuple[int, int, int], seed: int) -> None:
    region = resample(Volume(np.abs(noise((11, 6, 9))) + 1, random_affine(seed)), (1.7, 2.0, 1.1))
    focus = region.affine[:3] @ (2.2, 4.9, 3.1, 1.0)
    fitted = crop_or_pad(region, size, focus)
    part = unpadded(fitted, region.shape, region.affine)
    inside = np.zeros(size, bool)
    inside[part] = True
    assert np.array_equal(inside, fitted.voxels > 0)
    first = shifted(fitted.affine, [each.start for each in part])
    assert np.isclose(fitted.voxels[part][0, 0, 0], _at(region, first[:3, 3]))


def _at(volume: Volume, point: np.ndarray) -> float:
    x, y, z = np.rint(np.linalg.solve(volume.affine[:3, :3], point - volume.affine[:3, 3])).astype(int)
    return float(volume.voxels[z, y, x])
