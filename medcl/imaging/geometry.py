"""Where voxels lie: checks and changes of the affine, from (x, y, z) voxel index to RAS+ mm.

Conventions: arrays, shapes, sizes and spacings are (z, y, x); affines and points are (x, y, z), as in NIfTI. Every
tolerance is named here.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Affine = NDArray[np.float64]
Triple = tuple[int, int, int]

SHEAR_TOLERANCE = 0.01
"""Largest cosine between two voxel axes that still counts as a right angle (0.01 is 0.6 degrees). Headers rounded to
float32 stay below 1e-6; the tilted gantry of a CT is at 0.1 and more."""

SMALLEST_SPACING_MM = 1e-4
"""Voxels closer together than this mean that the header holds no geometry."""

GRID_TOLERANCE_VOXELS = 0.01
"""Two grids are one when no corner voxel of the one lies further than this, in voxels, from that of the other."""


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Distance between neighbouring voxels along (z, y, x) in mm."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(z), float(y), float(x)


def fault_of_affine(affine: Affine) -> str | None:
    """What makes an affine unusable, as a part of a sentence; None when it is fine."""
    matrix = affine[:3, :3]
    if not np.isfinite(affine).all():
        return "the affine holds NaN or infinite numbers"
    spacing = np.linalg.norm(matrix, axis=0)
    if spacing.min() < SMALLEST_SPACING_MM:
        shown = " ".join(f"{mm:g}" for mm in spacing)
        return f"the affine cannot be inverted (voxel sizes x y z are {shown} mm)"
    cosines = (matrix / spacing).T @ (matrix / spacing)
    worst = float(np.abs(cosines[np.triu_indices(3, 1)]).max())
    if worst > SHEAR_TOLERANCE:
        if abs(np.linalg.det(matrix / spacing)) < SHEAR_TOLERANCE:
            return "the affine cannot be inverted (its axes lie in one plane)"
        degrees = np.degrees(np.arccos(min(worst, 1.0)))
        return (
            f"the affine is sheared: two voxel axes meet at {degrees:.1f} degrees, not 90 "
            f"(tolerance {np.degrees(np.arcsin(SHEAR_TOLERANCE)):.1f} degrees); resample it to a rectangular grid first"
        )
    return None


def shifted(affine: Affine, start: Sequence[int | float]) -> Affine:
    """The affine of an array that begins at voxel `start` (z, y, x) of the one that `affine` belongs to."""
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.asarray(start, dtype=np.float64)[::-1]
    return moved


def to_mm(affine: Affine, index: ArrayLike) -> NDArray[np.float64]:
    """RAS mm (x, y, z) of a voxel index (z, y, x), or of (..., 3) of them."""
    points = np.asarray(index, dtype=np.float64)[..., ::-1]
    return np.asarray(points @ affine[:3, :3].T + affine[:3, 3])


def to_index(affine: Affine, point: ArrayLike) -> NDArray[np.float64]:
    """Voxel index (z, y, x), with fractions, of a point (x, y, z) in RAS mm."""
    offset = np.asarray(point, dtype=np.float64) - affine[:3, 3]
    return np.asarray(np.linalg.solve(affine[:3, :3], offset)[::-1])


def same_grid(
    shape: Triple,
    affine: Affine,
    other_shape: Triple,
    other_affine: Affine,
    tolerance: float = GRID_TOLERANCE_VOXELS,
) -> bool:
    """Whether two arrays have their voxels at the same places, within `tolerance` voxels."""
    if shape != other_shape:
        return False
    corners = np.array(list(product(*((0, n - 1) for n in shape))))
    apart = np.linalg.norm(to_mm(affine, corners) - to_mm(other_affine, corners), axis=1).max()
    return bool(apart <= tolerance * min(spacing_of(affine)))


def describe_grid(shape: Triple, affine: Affine) -> str:
    """A grid in words: shape and spacing (z y x), first voxel (RAS mm) and, when oblique, the tilt."""
    spacing = spacing_of(affine)
    size = "x".join(str(n) for n in shape)
    steps = "x".join(f"{mm:.4g}" for mm in spacing)
    origin = ", ".join(f"{mm:.2f}" for mm in affine[:3, 3])
    cosines = np.abs(affine[:3, :3] / np.array(spacing[::-1])).max(axis=0)
    tilt = float(np.degrees(np.arccos(np.clip(cosines.min(), 0.0, 1.0))))
    tilted = f", tilted by {tilt:.2f} degrees" if tilt > 0.01 else ""
    return f"{size} voxels of {steps} mm (z y x) from ({origin}) RAS{tilted}"
