"""Outlines of classes on an enlarged slice, pixel by pixel, as the pages of segmentation draw them.

What a mask says is outlined solid on a white halo, what a network found dashed on a black one; here its gaps are white,
since slices of MR are dark where organs end. Lines run along the voxels' edges; the number of a class stands within it
where it is large enough.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.segmentation.outline import outline
from medcl.figures.translation.lettering import lettering

LINE, HALO = 2, 4
"""Pixels across the line of an outline and what sets it off from the slice."""

DASH, GAP = 8, 4
MARK_SCALE = 2
"""Of the classes' numbers."""

Points = NDArray[np.int64]
Pixels = NDArray[np.uint8]


def draw_contours(
    cell: Pixels, mask: NDArray[Any], colours: Mapping[int, int], *, dashed: bool, black: int, white: int
) -> None:
    """Draw the outlines of all classes of a mask.

    Args:
        cell: (k Y, k X) places in a palette, drawn upon.
        mask: (Y, X) class indices.
        colours: places in the palette, by class index; others are not drawn.
        dashed: whether a network found the mask.
        black, white: places in the palette.
    """
    scale = cell.shape[0] // mask.shape[0]
    there = [int(value) for value in np.unique(mask) if int(value) in colours]
    lines = {value: _points(outline(mask == value), scale) for value in there}
    for points in lines.values():
        paint(cell, points, HALO, black if dashed else white)
    for value, points in lines.items():
        gap = dashed & (points[:, 2] % (DASH + GAP) >= DASH)
        paint(cell, points[gap], LINE, white)
        paint(cell, points[~gap], LINE, colours[value])
    for value in there:
        _mark(cell, mask == value, value, scale, black, white)


def paint(cell: Pixels, points: Points, width: int, colour: int) -> None:
    """Paint a square of some pixels around each point (row, column, ...); at the edges it stays within the cell."""
    for down in range(-(width // 2), width - width // 2):
        for across in range(-(width // 2), width - width // 2):
            rows = (points[:, 0] + down).clip(0, cell.shape[0] - 1)
            columns = (points[:, 1] + across).clip(0, cell.shape[1] - 1)
            cell[rows, columns] = colour


def _points(path: str, scale: int) -> Points:
    """Row and column of every pixel along an SVG path of horizontal and vertical steps, and how far it is along."""
    loops = [
        _loop([(int(y), int(x))], re.findall(r"([hv])(-?\d+)", steps), scale)
        for x, y, steps in re.findall(r"M(\d+) (\d+)((?:[hv]-?\d+)*)z", path)
    ]
    return np.concatenate(loops) if loops else np.zeros((0, 3), np.int64)


def _loop(corners: list[tuple[int, int]], steps: list[tuple[str, str]], scale: int) -> Points:
    for kind, length in steps:
        row, column = corners[-1]
        corners.append((row, column + int(length)) if kind == "h" else (row + int(length), column))
    places = np.array([*corners, corners[0]], np.int64) * scale
    sides = np.diff(places, axis=0)
    lengths = np.abs(sides).sum(axis=1)
    side = np.repeat(np.arange(len(lengths)), lengths)
    along = np.arange(int(lengths.sum()))
    within = along - (np.cumsum(lengths) - lengths)[side]
    return np.column_stack([places[side] + np.sign(sides)[side] * within[:, None], along])


def _mark(cell: Pixels, inside: NDArray[np.bool_], value: int, scale: int, black: int, white: int) -> None:
    """The number of a class where it is deepest, if there is room: white within a black edge."""
    from scipy.ndimage import binary_dilation, distance_transform_edt

    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    ink = np.pad(lettering(str(value), MARK_SCALE)[: 7 * MARK_SCALE, :-MARK_SCALE], MARK_SCALE)
    high, wide = ink.shape
    if (depth[row, column] - 0.5) * scale < max(high, wide) / 2 + LINE:
        return
    top, left = round((row + 0.5) * scale - high / 2), round((column + 0.5) * scale - wide / 2)
    if top < 0 or left < 0 or top + high > cell.shape[0] or left + wide > cell.shape[1]:
        return
    under = cell[top : top + high, left : left + wide]
    under[binary_dilation(ink, np.ones((3, 3)), iterations=MARK_SCALE - 1)] = black
    under[ink] = white
