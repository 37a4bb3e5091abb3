"""Outlines on enlarged slices: along the voxels' edges, solid or dashed, with numbers where there is room."""

from __future__ import annotations

import numpy as np

from medcl.figures.translation.contours import HALO, LINE, draw_contours
from tests.figures.translation.translation_cases import square

GREY, BLACK, WHITE, FIRST, SECOND = 30, 0, 63, 64, 65
COLOURS = {1: FIRST, 2: SECOND}


def drawn(mask: np.ndarray, scale: int = 8, dashed: bool = False) -> np.ndarray:
    cell = np.full((mask.shape[0] * scale, mask.shape[1] * scale), GREY, np.uint8)
    draw_contours(cell, mask, COLOURS, dashed=dashed, black=BLACK, white=WHITE)
    return cell


def test_a_solid_line_runs_along_the_edges_and_nowhere_else() -> None:
    cell = drawn(square(2, 5, 1, 8))
    low, high = 16, 40  # the square's edges in pixels
    expected = np.zeros_like(cell, bool)
    expected[low - 1 : high + 1, low - 1 : high + 1] = True
    expected[low + 1 : high - 1, low + 1 : high - 1] = False
    assert (expected == (cell == FIRST)).all()
    assert LINE == 2


def test_the_halo_is_white_around_labels_and_black_around_findings() -> None:
    mask = square(2, 5, 1, 8)
    beside = (16 - HALO // 2, 28)  # left of the left edge, at its middle
    assert drawn(mask)[beside[::-1]] == WHITE
    assert drawn(mask, dashed=True)[beside[::-1]] == BLACK


def test_dashes_have_gaps_and_solid_lines_none() -> None:
    edge = (slice(17, 39), 15)
    assert (drawn(square(2, 5, 1, 8))[edge] == FIRST).all()
    assert set(drawn(square(2, 5, 1, 8), dashed=True)[edge].tolist()) == {FIRST, WHITE}


def test_what_is_no_class_is_not_drawn() -> None:
    assert (drawn(square(2, 5, 7, 8)) == GREY).all()
    assert (drawn(np.zeros((8, 8), np.uint8)) == GREY).all()


def test_a_class_at_the_edge_of_the_slice_stays_within_it() -> None:
    cell = drawn(np.full((8, 8), 2, np.uint8))
    assert (cell[: LINE // 2] == SECOND).all()
    assert (cell[-1] == SECOND).all()


def test_numbers_stand_where_there_is_room() -> None:
    large, small = drawn(square(1, 7, 1, 8), 12), drawn(square(3, 4, 1, 8), 12)
    assert BLACK in large[24:72, 24:72]
    assert BLACK not in small
    assert np.any(large[24:72, 24:72] != drawn(square(1, 7, 2, 8), 12)[24:72, 24:72])


def test_two_parts_and_a_hole_are_outlined() -> None:
    mask = np.zeros((12, 12), np.uint8)
    mask[1:6, 1:6], mask[3, 3], mask[8:10, 8:10] = 1, 0, 1
    cell = drawn(mask, 4)
    assert (cell[12, 12:16] == FIRST).all()  # the hole's upper edge
    assert (cell[32, 32:40] == FIRST).all()
