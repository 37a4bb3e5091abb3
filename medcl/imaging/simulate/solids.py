"""Balls and rods painted onto a canvas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.shapes import Points, capsule, ellipsoid


def paint_ball(
    canvas: Canvas, tissue: str, centre: ArrayLike, radii: ArrayLike, axes: NDArray[Any] | None = None
) -> None:
    """Paint an ellipsoid; half axes in mm along the columns of `axes`, of the frame when None."""
    middle, half = np.asarray(centre, dtype=float), np.asarray(radii, dtype=float)
    reach = half if axes is None else np.sqrt((axes**2) @ half**2)

    def distance(points: Points) -> NDArray[Any]:
        return ellipsoid(points, middle, tuple(half), axes)

    canvas.solid(tissue, middle - reach, middle + reach, distance)


def paint_rod(
    canvas: Canvas, tissue: str, start: ArrayLike, end: ArrayLike, radius: float, end_radius: float | None = None
) -> None:
    """Paint a rod with round ends; radii in mm."""
    begin, stop = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    reach = max(radius, end_radius or 0.0)

    def distance(points: Points) -> NDArray[Any]:
        return capsule(points, begin, stop, radius, end_radius)

    canvas.solid(tissue, np.minimum(begin, stop) - reach, np.maximum(begin, stop) + reach, distance)
