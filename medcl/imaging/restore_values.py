"""Continuous values back on the grid of an original image, as `restore` brings classes and labels back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.between_grids import Way, inside, interpolation, slabs
from medcl.imaging.geometry import Affine, Triple
from medcl.imaging.volume import Volume


def restored_values(
    values: NDArray[np.float32], stored: Affine, shape: Triple, affine: Affine, outside: float
) -> Volume:
    """Values at every voxel of an original grid by linear interpolation; exact where grids are only turned or moved.

    Args:
        values: (Z, Y, X) of a stored volume, finite, in any unit.
        stored: affine of the stored volume.
        shape: (z, y, x) of the original grid.
        affine: of the original grid, in whatever order its axes run.
        outside: the value of voxels that lie outside of the stored volume.

    Returns:
        (z, y, x) float32.
    """
    result = np.full(shape, outside, np.float32)
    size = values.shape
    box = np.array([(-1.0, float(count)) for count in size]).T
    for slab in slabs(Way.between(affine, stored), box, shape):
        there = inside(slab.way.positions(slab.shape), size)
        np.copyto(result[slab.window], interpolation(slab, size)(values), where=there)
    return Volume(result, affine)
