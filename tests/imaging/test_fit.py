"""Cropping and padding move whole voxels, and the affine moves along."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging_phantoms import AFFINE, QUICK, random_affine, seeds, shapes, stored_positions

from medcl.imaging.fit import crop, crop_or_pad
from medcl.imaging.geometry import to_index, to_mm
from medcl.imaging.volume import Volume

LINE = Volume(np.arange(1, 6, dtype=np.float32).reshape(1, 1, 5), AFFINE)


@pytest.mark.parametrize(
    ("size", "expected", "first_x"),
    [(3, [2, 3, 4], 1), (5, [1, 2, 3, 4, 5], 0), (7, [0, 1, 2, 3, 4, 5, 0], -1), (4, [2, 3, 4, 5], 1), (1, [3], 2)],
)
def test_known_lines(size: int, expected: list[int], first_x: int) -> None:
    fitted = crop_or_pad(LINE, (1, 1, size))
    np.testing.assert_array_equal(fitted.voxels.ravel(), expected)
    assert fitted.affine[0, 3] == first_x


def test_the_focus_comes_to_the_middle_even_beyond_the_border() -> None:
    np.testing.assert_array_equal(crop_or_pad(LINE, (1, 1, 3), (0, 0, 0)).voxels.ravel(), [0, 1, 2])
    np.testing.assert_array_equal(crop_or_pad(LINE, (1, 1, 3), (4, 0, 0)).voxels.ravel(), [4, 5, 0])
    np.testing.assert_array_equal(crop_or_pad(LINE, (1, 1, 3), (90, 0, 0)).voxels.ravel(), [0, 0, 0])


@QUICK
@given(shape=shapes, size=shapes, seed=seeds, focused=st.booleans())
def test_every_voxel_keeps_its_place(
    shape: tuple[int, int, int], size: tuple[int, int, int], seed: int, focused: bool
) -> None:
    affine = random_affine(seed)
    focus = to_mm(affine, np.random.default_rng(seed).uniform(0, np.array(shape) - 1)) if focused else None
    inside = crop_or_pad(Volume(np.ones(shape, np.uint8), affine), size, focus).voxels == 1
    assert inside.any()
    for axis, values in enumerate(stored_positions(affine, shape)):
        fitted = crop_or_pad(Volume(values, affine), size, focus)
        assert fitted.shape == size
        told = stored_positions(fitted.affine, size)[axis]
        np.testing.assert_allclose(fitted.voxels[inside], told[inside], atol=1e-9)
        assert (fitted.voxels[~inside] == 0).all()
    if focus is not None:
        middle = to_index(fitted.affine, focus) - (np.array(size) - 1) / 2
        assert (np.abs(middle) <= 0.5 + 1e-5).all()


def test_cropping_a_box_is_a_view_with_its_own_affine() -> None:
    part = crop(LINE, (0, 0, 2), (1, 1, 4))
    np.testing.assert_array_equal(part.voxels.ravel(), [3, 4])
    assert part.affine[0, 3] == 2
    assert np.shares_memory(part.voxels, LINE.voxels)
