"""Resampling to another voxel spacing along the volume's own axes; orientation and field of view stay.

Images: linear interpolation, after a Gaussian low-pass along each axis that becomes coarser, with standard deviation
(factor - 1) / 2 source voxels as in scikit-image's `resize`; both keep a linear field exactly. The two are one short
weighted sum along each axis in turn. Label maps: nearest voxel. Beyond the border the border's voxel counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.geometry import Triple
from medcl.imaging.volume import Volume

SAME_SPACING = 1e-3
"""Relative difference of spacings below which an axis stays as it is."""

_GAUSSIAN_REACH = 4.0


def resample(volume: Volume, spacing: Sequence[float], order: int = 1) -> Volume:
    """Resample to `spacing`.

    The middle of the field of view stays where it is; each axis gets the whole number of voxels (at least one) that is
    nearest to its old length.

    Args:
        volume: (Z, Y, X).
        spacing: mm along z, y, x.
        order: 1 linear with anti-aliasing, for images (float32); 0 nearest, for label maps.
    """
    voxels = volume.voxels
    affine = volume.affine.copy()
    old = volume.spacing
    # the axis that shrinks most goes first: the others then have less to do
    for axis in sorted(range(3), key=lambda axis: old[axis] / spacing[axis]):
        factor = spacing[axis] / old[axis]
        if abs(factor - 1) < SAME_SPACING:
            continue
        count = voxels.shape[axis]
        new = max(1, round(count / factor))
        positions = (count - 1) / 2 + factor * (np.arange(new) - (new - 1) / 2)
        voxels = _nearest(voxels, axis, positions) if order == 0 else _linear(voxels, axis, positions, factor)
        column = 2 - axis
        affine[:3, 3] += affine[:3, column] * positions[0]
        affine[:3, column] *= factor
    return Volume(voxels, affine)


def resampled_shape(shape: Triple, old: Sequence[float], new: Sequence[float]) -> Triple:
    """The shape that `resample` gives, (z, y, x)."""
    z, y, x = (
        n if abs(b / a - 1) < SAME_SPACING else max(1, round(n * a / b))
        for n, a, b in zip(shape, old, new, strict=True)
    )
    return z, y, x


def _nearest(voxels: NDArray[Any], axis: int, positions: NDArray[np.float64]) -> NDArray[Any]:
    index = np.clip(np.floor(positions + 0.5).astype(np.intp), 0, voxels.shape[axis] - 1)
    return voxels.take(index, axis)


def _linear(
    voxels: NDArray[np.float32], axis: int, positions: NDArray[np.float64], factor: float
) -> NDArray[np.float32]:
    """Sum of neighbours along one axis; `positions` in source voxels."""
    below = np.floor(positions).astype(np.intp)
    share = positions - below
    kernel = _gaussian((factor - 1) / 2) if factor > 1 else np.ones(1)
    reach = len(kernel) // 2
    shape = [1, 1, 1]
    shape[axis] = -1
    total: NDArray[np.float32] | None = None
    for step in range(-reach, reach + 2):
        left = kernel[step + reach] if step <= reach else 0.0
        right = kernel[step - 1 + reach] if step > -reach else 0.0
        weights = ((1 - share) * left + share * right).astype(np.float32)
        part = voxels.take(np.clip(below + step, 0, voxels.shape[axis] - 1), axis)
        part *= weights.reshape(shape)
        total = part if total is None else np.add(total, part, out=total)
    assert total is not None
    return total


def _gaussian(sigma: float) -> NDArray[np.float64]:
    reach = ceil(_GAUSSIAN_REACH * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())
