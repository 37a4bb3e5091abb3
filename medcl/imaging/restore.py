"""Back from a stored volume to the grid of an original image: every voxel by the two affines, no step undone.

Whatever was done to an image (region, resampling, crop or padding, turned or flipped axes), its stored volume's affine
says where its voxels lie in the patient. A voxel of the original therefore asks the stored volume at its own place:
class probabilities by linear interpolation before the largest is taken, which keeps borders smooth; label maps by the
nearest voxel. What lies outside of the stored volume is background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.between_grids import ROUNDING, Way, inside, interpolation, slabs
from medcl.imaging.geometry import Affine, Triple
from medcl.imaging.volume import Volume

_SURE_BACKGROUND = 0.501  # the others then share less than a half, whatever the interpolation between such voxels


def restored_classes(probabilities: NDArray[np.float32], stored: Affine, shape: Triple, affine: Affine) -> Volume:
    """The most probable class of every voxel of an original grid.

    Args:
        probabilities: (K, Z, Y, X) of a stored volume, which sum to 1 over K; class 0 is background.
        stored: affine of the stored volume.
        shape: (z, y, x) of the original grid.
        affine: of the original grid, in whatever order its axes run.

    Returns:
        (z, y, x) class indices 0..K-1, uint8 or uint16; of equally probable classes the first.
    """
    classes, *size = probabilities.shape
    result = np.zeros(shape, _type_for(classes - 1))
    box = _box(probabilities[0] < _SURE_BACKGROUND)
    if box is None:
        return Volume(result, affine)
    for slab in slabs(Way.between(affine, stored), box, shape):
        interpolate = interpolation(slab, size)
        found = result[slab.window]
        best = interpolate(probabilities[0])
        for index in range(1, classes):
            value = interpolate(probabilities[index])
            np.copyto(found, index, where=value > best)
            np.maximum(best, value, out=best)
        found[~inside(slab.way.positions(slab.shape), size)] = 0
    return Volume(result, affine)


def restored_labels(labels: Volume, shape: Triple, affine: Affine) -> Volume:
    """A label map on an original grid, by the nearest voxel; between grids that only permute and flip axes exact.

    Args:
        labels: (Z, Y, X) unsigned integers.
        shape, affine: as of `restored_classes`.
    """
    result = np.zeros(shape, labels.voxels.dtype)
    box = _box(labels.voxels != 0)
    if box is None:
        return Volume(result, affine)
    for slab in slabs(Way.between(affine, labels.affine), box, shape):
        positions = slab.way.positions(slab.shape)
        nearest = [
            np.clip(np.floor(place + 0.5 + ROUNDING).astype(np.intp), 0, n - 1)
            for place, n in zip(positions, labels.shape, strict=True)
        ]
        found = np.broadcast_to(labels.voxels[tuple(nearest)], slab.shape)
        result[slab.window] = np.where(inside(positions, labels.shape), found, 0)
    return Volume(result, affine)


def _box(marked: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """First and last position (2, 3) that a marked voxel can have a part in; None when there is none."""
    ends = []
    for axis in range(3):
        where = np.flatnonzero(marked.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(where):
            return None
        ends.append((where[0] - 1.0, where[-1] + 1.0))
    return np.array(ends).T


def _type_for(largest: int) -> Any:
    return np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16
