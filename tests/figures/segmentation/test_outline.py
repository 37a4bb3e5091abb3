"""Outlines run along the voxels' edges: drawn again, they give the mask back."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.figures.segmentation.outline import outline


def drawn(path: str, shape: tuple[int, int]) -> np.ndarray:
    """The mask that a path encloses, by counting the vertical sides left of each voxel (even-odd)."""
    crossings = np.zeros((shape[0], shape[1] + 1), int)
    for x, y, steps in re.findall(r"M(\d+) (\d+)((?:[hv]-?\d+)*)z", path):
        start, place = (int(x), int(y)), [int(x), int(y)]
        sides = [(kind, int(length)) for kind, length in re.findall(r"([hv])(-?\d+)", steps)]
        for kind, length in [*sides, ("close", 0)]:
            if kind == "h":
                place[0] += length
                continue
            down = place[1] + length if kind == "v" else start[1]
            low, high = sorted((place[1], down))
            crossings[low:high, place[0]] += 1
            place[1] = down
        assert place[0] == start[0] or place[1] == start[1], "closed by a side that is none"
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def test_a_square_is_four_steps() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3:6] = True
    assert outline(mask) == "M3 2h3v2h-3z"


def test_nothing_has_no_outline() -> None:
    assert outline(np.zeros((4, 4), bool)) == ""


def test_a_hole_is_a_line_of_its_own() -> None:
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert outline(mask).count("M") == 2
    assert (drawn(outline(mask), mask.shape) == mask).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_drawing_it_gives_the_mask_back(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((7, 9)) < share
    assert (drawn(outline(mask), mask.shape) == mask).all()


@pytest.mark.parametrize("mask", [np.eye(2, dtype=bool), np.eye(2, dtype=bool)[::-1]])
def test_voxels_that_touch_at_a_corner(mask: np.ndarray) -> None:
    assert (drawn(outline(mask), mask.shape) == mask).all()
