"""Images as stacks of slices, for methods in 2D: which axis the slices lie along, and how they are brought to one size.

Nothing is interpolated between slices and none is added: the axes are permuted, the affine with them, so that every
stored voxel maps back to the source by the affine alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.fit import crop_or_pad
from medcl.imaging.geometry import to_index, to_mm
from medcl.imaging.recipe import Recipe
from medcl.imaging.resample import SAME_SPACING
from medcl.imaging.volume import Volume

SLICES = ("axial", "acquired")
"""The words of --slices that make slices."""

PLANES = ("sagittal", "coronal", "axial")
"""Planes by the patient's axis (R, A, S) that runs closest to across them."""


def slices_first(volume: Volume, slices: str) -> Volume:
    """The same image with the axis that its slices lie along as the first one; a view of the voxels given.

    Args:
        volume: canonical RAS+.
        slices: "axial", along canonical z; or "acquired", along the axis of the coarsest spacing, z where no axis is
            coarser than all others.
    """
    axis = _coarsest(volume) if slices == "acquired" else 0
    if axis == 0:
        return volume
    order = (axis, *(other for other in range(3) if other != axis))
    affine = volume.affine.copy()
    for place, source in enumerate(order):  # an affine's columns run x, y, z, an array's axes z, y, x
        affine[:, 2 - place] = volume.affine[:, 2 - source]
    return Volume(volume.voxels.transpose(order), affine)


def fit(volume: Volume, recipe: Recipe, focus: NDArray[np.float64]) -> Volume:
    """Crop or pad a region to the recipe's size around a point; of slices none is cut off or added.

    Args:
        volume: (Z, Y, X).
        recipe: tells the size.
        focus: RAS mm (x, y, z) of the point that is to lie in the middle, for slices in the middle of its plane.
    """
    size = recipe.size_for(volume.shape)
    if recipe.slices is not None:
        index = to_index(volume.affine, focus)
        index[0] = (volume.shape[0] - 1) / 2
        focus = to_mm(volume.affine, index)
    return crop_or_pad(volume, size, focus)


def plane_of(affine: NDArray[np.float64]) -> str:
    """The plane that the slices of an array with this affine lie closest to: axial, coronal or sagittal."""
    return PLANES[int(np.abs(affine[:3, 2]).argmax())]


def _coarsest(volume: Volume) -> int:
    spacing = np.array(volume.spacing)
    coarse = np.flatnonzero(spacing >= spacing.max() * (1 - SAME_SPACING))
    return int(coarse[0]) if len(coarse) == 1 else 0
