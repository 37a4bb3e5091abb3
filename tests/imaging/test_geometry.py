"""The affine's arithmetic."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from imaging_phantoms import AFFINE, QUICK, positions, random_affine, seeds

from medcl.imaging.geometry import (
    GRID_TOLERANCE_VOXELS,
    SHEAR_TOLERANCE,
    describe_grid,
    fault_of_affine,
    same_grid,
    shifted,
    spacing_of,
    to_index,
    to_mm,
)


@QUICK
@given(seed=seeds)
def test_index_and_millimetres_are_inverse(seed: int) -> None:
    affine = random_affine(seed)
    index = np.random.default_rng(seed).uniform(-50, 50, 3)
    np.testing.assert_allclose(to_index(affine, to_mm(affine, index)), index, atol=1e-9)
    np.testing.assert_allclose(to_mm(affine, index), affine[:3, :3] @ index[::-1] + affine[:3, 3])
    np.testing.assert_allclose(to_mm(shifted(affine, (1, 2, 3)), index), to_mm(affine, index + np.array([1, 2, 3])))


def test_known_places() -> None:
    assert spacing_of(AFFINE) == (3.0, 2.0, 1.0)
    np.testing.assert_array_equal(to_mm(AFFINE, (1, 1, 1)), (1, 2, 3))
    np.testing.assert_array_equal(to_mm(AFFINE, [(0, 0, 0), (2, 0, 0)]), [(0, 0, 0), (0, 0, 6)])
    np.testing.assert_array_equal(positions(AFFINE, (2, 2, 2))[:, 1, 1, 1], (1, 2, 3))


@QUICK
@given(seed=seeds)
def test_rotated_affines_are_fine(seed: int) -> None:
    assert fault_of_affine(random_affine(seed)) is None


def test_the_shear_tolerance_is_where_it_is_said_to_be() -> None:
    for factor, fine in ((0.9, True), (1.1, False)):
        affine = np.eye(4)
        affine[0, 1] = factor * SHEAR_TOLERANCE
        assert (fault_of_affine(affine) is None) is fine


def test_the_grid_tolerance_is_where_it_is_said_to_be() -> None:
    for factor, same in ((0.9, True), (1.1, False)):
        moved = AFFINE.copy()
        moved[0, 3] += factor * GRID_TOLERANCE_VOXELS  # the narrowest voxel is 1 mm wide
        assert same_grid((3, 3, 3), AFFINE, (3, 3, 3), moved) is same
    assert not same_grid((3, 3, 3), AFFINE, (3, 3, 4), AFFINE)
    turned = AFFINE.copy()
    turned[1, 0] = 0.002  # 0.4 mm at the far end of 200 voxels
    assert same_grid((3, 3, 3), AFFINE, (3, 3, 3), turned)
    assert not same_grid((3, 3, 200), AFFINE, (3, 3, 200), turned)


def test_a_grid_in_words() -> None:
    assert describe_grid((4, 5, 6), AFFINE) == "4x5x6 voxels of 3x2x1 mm (z y x) from (0.00, 0.00, 0.00) RAS"
    assert "tilted by" in describe_grid((4, 5, 6), random_affine(3))
