"""Signed distances in mm of simple solids, negative inside: what the anatomy is put together from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""x, y, z coordinates in mm, arrays that broadcast together."""


def ellipsoid(
    points: Points, centre: ArrayLike, radii: Sequence[float], axes: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the distance from an ellipsoid, exact on its surface and to first order near it.

    Args:
        points: where.
        centre: (x, y, z) in mm.
        radii: half axes in mm.
        axes: 3x3 rotation whose columns are the directions of the half axes; the identity when None.
    """
    x, y, z = (p - c for p, c in zip(points, np.asarray(centre, dtype=np.float32), strict=True))
    if axes is not None:
        turn = axes.astype(np.float32)
        x, y, z = (turn[0, k] * x + turn[1, k] * y + turn[2, k] * z for k in range(3))
    a, b, c = (np.float32(radius) for radius in radii)
    u, v, w = (x / a) ** 2, (y / b) ** 2, (z / c) ** 2
    level = np.sqrt(u + v + w)
    slope = np.sqrt(u / a**2 + v / b**2 + w / c**2)
    # At the very centre both vanish; the distance there is minus the smallest half axis.
    return np.where(level > 1e-6, (level - 1) * level / np.maximum(slope, 1e-9), -min(radii))


def capsule(
    points: Points, start: ArrayLike, end: ArrayLike, radius: float, end_radius: float | None = None
) -> NDArray[Any]:
    """Return the distance from a rod with round ends whose radius runs linearly from `radius` to `end_radius`."""
    begin = np.asarray(start, dtype=np.float32)
    span = np.asarray(end, dtype=np.float32) - begin
    x, y, z = (p - c for p, c in zip(points, begin, strict=True))
    along = (x * span[0] + y * span[1] + z * span[2]) / np.float32(max(float(span @ span), 1e-9))
    along = np.clip(along, 0, 1)
    gap = np.sqrt((x - along * span[0]) ** 2 + (y - along * span[1]) ** 2 + (z - along * span[2]) ** 2)
    growth = np.float32((radius if end_radius is None else end_radius) - radius)
    return np.asarray(gap - (np.float32(radius) + growth * along))


def rotation(x: float, y: float, z: float) -> NDArray[Any]:
    """Return the 3x3 rotation by degrees about x, then y, then z."""
    a, b, c = np.deg2rad([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)
