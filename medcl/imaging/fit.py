"""Crops or pads a volume to one size around a point, and moves its affine along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcl.imaging.geometry import Affine, Triple, shifted, to_index
from medcl.imaging.volume import Volume


def crop_or_pad(volume: Volume, size: Triple, focus: ArrayLike | None = None) -> Volume:
    """Cut out `size` voxels, whole voxels only; what lies beyond the volume is 0.

    Args:
        volume: (Z, Y, X).
        size: voxels of the result along z, y, x.
        focus: RAS mm (x, y, z) of the point that is to lie in the middle; None is the volume's own middle.
    """
    middle = (np.array(volume.shape) - 1) / 2 if focus is None else to_index(volume.affine, focus)
    start = _first_voxel(middle, size)
    return Volume(_window(volume.voxels, start, size), shifted(volume.affine, start))


def unpadded(fitted: Volume, shape: Triple, affine: Affine) -> tuple[slice, slice, slice]:
    """The part of a cropped or padded volume that was there before; what is beside it is padding.

    Args:
        fitted: what `crop_or_pad` made.
        shape, affine: of the volume that it was made of.
    """
    start = np.rint(to_index(affine, fitted.affine[:3, 3])).astype(int)
    z, y, x = (
        slice(max(0, -int(first)), max(0, min(size, had - int(first))))
        for first, size, had in zip(start, fitted.shape, shape, strict=True)
    )
    return z, y, x


def crop(volume: Volume, low: Triple, high: Triple) -> Volume:
    """The voxels from `low` to before `high` (z, y, x), without a copy."""
    return Volume(volume.voxels[tuple(map(slice, low, high))], shifted(volume.affine, low))


def _first_voxel(middle: NDArray[np.float64], size: Triple) -> list[int]:
    """Rounded up at the half, but never by what is only the rounding of an inverted affine."""
    exact = middle - (np.array(size) - 1) / 2
    return [int(n) for n in np.floor(exact + 0.5 + 1e-6)]


def _window(voxels: NDArray[Any], start: Sequence[int], size: Triple) -> NDArray[Any]:
    source = [slice(max(s, 0), max(min(s + n, have), 0)) for s, n, have in zip(start, size, voxels.shape, strict=True)]
    if all(part.stop - part.start == n for part, n in zip(source, size, strict=True)):
        return np.ascontiguousarray(voxels[tuple(source)])
    result = np.zeros(size, voxels.dtype)
    target = [slice(part.start - s, part.stop - s) for part, s in zip(source, start, strict=True)]
    if all(part.stop > part.start for part in source):
        result[tuple(target)] = voxels[tuple(source)]
    return result
