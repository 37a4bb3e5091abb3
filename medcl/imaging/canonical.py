"""Turns an image to canonical orientation: axes closest to Right, Anterior, Superior."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medcl.imaging.volume import Volume

_NIBABEL: Any = nibabel  # its functions carry no types


def canonical(voxels: NDArray[Any], affine: NDArray[np.float64]) -> Volume:
    """The same image with its axes permuted and flipped, never interpolated, so that they run closest to RAS+.

    The voxels of the result are a view of those given.

    Args:
        voxels: (Z, Y, X).
        affine: (4, 4) from the voxel index (x, y, z) to RAS mm.
    """
    turns = _NIBABEL.orientations
    orientation = turns.io_orientation(affine)
    turned = turns.apply_orientation(voxels.transpose(2, 1, 0), orientation).transpose(2, 1, 0)
    moved = affine @ turns.inv_ornt_aff(orientation, voxels.shape[::-1])
    return Volume(turned, moved)
