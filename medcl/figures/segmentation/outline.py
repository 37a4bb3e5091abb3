"""Outlines of masks as SVG paths along the voxels' edges: what is drawn is exactly what is labelled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Point = tuple[int, int]


def outline(mask: NDArray[np.bool_]) -> str:
    """The edge of a plane's mask as the `d` of an SVG path, one closed line around each part and each hole.

    Args:
        mask: (rows, columns). A voxel is a square of side 1; the first has its corner at (0, 0).

    Returns:
        "" where nothing is labelled.
    """
    onward = _edges(mask)
    loops = []
    while onward:
        start = min(onward)
        loops.append(_written(_loop(onward, start)))
    return "".join(loops)


def _edges(mask: NDArray[np.bool_]) -> dict[_Point, list[_Point]]:
    """Sides of voxels between inside and outside, from corner (x, y) to corner, the inside on their right."""
    wide = np.pad(mask, 1)
    inside = wide[1:-1, 1:-1]
    sides = (  # where the outside lies, and the first and last corner of that side, clockwise on a screen
        (wide[:-2, 1:-1], (0, 0), (1, 0)),
        (wide[1:-1, 2:], (1, 0), (1, 1)),
        (wide[2:, 1:-1], (1, 1), (0, 1)),
        (wide[1:-1, :-2], (0, 1), (0, 0)),
    )
    onward: dict[_Point, list[_Point]] = {}
    for beyond, first, last in sides:
        for row, column in np.argwhere(inside & ~beyond).tolist():
            start, end = (column + first[0], row + first[1]), (column + last[0], row + last[1])
            onward.setdefault(start, []).append(end)
    return onward


def _loop(onward: dict[_Point, list[_Point]], start: _Point) -> list[_Point]:
    """Take one closed line out of the edges; its corners, without those that lie on a straight line."""
    points, place = [start], start
    while True:
        ends = onward[place]
        end = ends.pop()
        if not ends:
            del onward[place]
        if len(points) > 1 and _straight(points[-2], points[-1], end):
            points[-1] = end
        else:
            points.append(end)
        place = end
        if place == start:
            return points[:-1]


def _straight(first: _Point, second: _Point, third: _Point) -> bool:
    return first[0] == second[0] == third[0] or first[1] == second[1] == third[1]


def _written(points: list[_Point]) -> str:
    """Corners as relative steps, which are short: "M3 4h5v2h-5z"."""
    (x, y), parts = points[0], [f"M{points[0][0]} {points[0][1]}"]
    for across, down in points[1:]:
        parts.append(f"h{across - x}" if across != x else f"v{down - y}")
        x, y = across, down
    return "".join(parts) + "z"
