"""Voxel grids: storage orders, oblique planes, and boxes that miss nothing."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.imaging.simulate.grid import scan_grid
from medcl.imaging.simulate.shapes import rotation

CODES = ["LPS", "LAS", "LSP", "SPL", "RAS", "PIR"]


@pytest.mark.parametrize("axes", CODES)
def test_axes_lead_where_their_letters_say(axes: str) -> None:
    grid = scan_grid(axes, (8, 9, 10), (2.0, 2.5, 3.0), (1.0, 2.0, 3.0), np.eye(3))
    assert "".join(nibabel.aff2axcodes(grid.affine)) == axes
    np.testing.assert_allclose(grid.spacing, (2.0, 2.5, 3.0))
    np.testing.assert_allclose((grid.affine @ [3.5, 4.0, 4.5, 1])[:3], (1.0, 2.0, 3.0))


@pytest.mark.parametrize("axes", CODES)
def test_points_are_where_the_affine_says(axes: str) -> None:
    grid = scan_grid(axes, (4, 5, 6), (2.0, 2.5, 3.0), (10.0, -5.0, 30.0), rotation(6, 0, 3))
    points = np.stack(np.broadcast_arrays(*grid.points(grid.whole(), (0.25, -0.25, 0.0))), axis=-1)
    for index in ((0, 0, 0), (3, 4, 5), (1, 3, 2)):
        expected = grid.affine @ np.append(np.array(index) + (0.25, -0.25, 0.0), 1.0)
        np.testing.assert_allclose(points[index], expected[:3], atol=1e-4)


@settings(max_examples=40)
@given(
    st.sampled_from(CODES),
    st.tuples(*[st.floats(-12, 12)] * 3),
    st.tuples(*[st.floats(-25, 25)] * 3),
    st.tuples(*[st.floats(0.5, 20)] * 3),
)
def test_a_box_holds_every_voxel_that_lies_in_it(
    axes: str, angles: tuple[float, ...], low: tuple[float, ...], size: tuple[float, ...]
) -> None:
    grid = scan_grid(axes, (12, 14, 10), (3.0, 2.5, 4.0), (0.0, 0.0, 0.0), rotation(*angles))
    high = np.add(low, size)
    x, y, z = np.broadcast_arrays(*grid.points(grid.whole()))
    inside = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]) & (z >= low[2]) & (z <= high[2])
    missed = inside.copy()
    missed[grid.box(low, high)] = False
    assert not missed.any()
