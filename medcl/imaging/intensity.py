"""Intensities to [0, 1]: by each image's own statistics, or by a fixed window.

`normalise` is what the public code of the kidney paper does (Milecki et al., MIDL 2022,
github.com/leomlck/renal_transplant_imaging): z-score, clip to +-5, min-max to [0, 1]. Signal of MR has no unit, so
the image's own statistics are the scale; Hounsfield units are one already, so a window keeps them comparable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLIP_DEVIATIONS = 5.0
"""Standard deviations from the mean beyond which an intensity is cut off."""


def normalise(voxels: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Z-score, clip to +-5, rescale so that the least is 0 and the greatest 1.

    A z-score and a rescaling are both linear, so the result needs the clip bounds only. They are found after a first
    rescaling, where float32 holds mean and standard deviation of any image well.

    Args:
        voxels: (Z, Y, X), finite and not all equal.
        out: where the result goes, `voxels` itself allowed; a new array when None.
    """
    low, high = float(voxels.min()), float(voxels.max())
    result = np.empty(voxels.shape, np.float32) if out is None else out
    means, squares = [], []
    for source, target in zip(voxels, result, strict=True):
        _stretch(source, low, high, target)
        means.append(float(target.mean()))
        apart = target - np.float32(means[-1])
        squares.append(float(np.mean(np.square(apart, out=apart))))
    mean = np.mean(means)
    deviation = np.sqrt(np.mean(squares) + np.var(means))  # within slices and between them
    bottom = max(0.0, float(mean - CLIP_DEVIATIONS * deviation))
    top = min(1.0, float(mean + CLIP_DEVIATIONS * deviation))
    if (bottom, top) != (0.0, 1.0):
        for target in result:
            _rescale(target, bottom, top, target)
    return result


def hu_window(
    voxels: NDArray[np.float32], low: float, high: float, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Map low..high (Hounsfield units, or the image's unit) to 0..1 and clip what lies outside.

    Args:
        voxels: (Z, Y, X).
        low, high: what becomes 0 and 1.
        out: as in `normalise`.
    """
    result = np.empty(voxels.shape, np.float32) if out is None else out
    for source, target in zip(voxels, result, strict=True):
        _rescale(source, low, high, target)
    return result


def is_constant(voxels: NDArray[np.float32]) -> bool:
    """Whether all voxels of (Z, Y, X) are equal; reads no further than to the first slice that differs."""
    return all((part == voxels[0, 0, 0]).all() for part in voxels)


def _rescale(source: NDArray[np.float32], low: float, high: float, target: NDArray[np.float32]) -> None:
    """One slice, which stays in the cache over the steps."""
    _stretch(np.clip(source, np.float32(low), np.float32(high), out=target), low, high, target)


def _stretch(source: NDArray[np.float32], low: float, high: float, target: NDArray[np.float32]) -> None:
    """As `_rescale`, of numbers that lie between low and high."""
    start, scale = np.float32(low), np.float32(1.0 / (high - low))
    np.subtract(source, start, out=target)
    target *= scale
    if (np.float32(high) - start) * scale > 1:  # what `high` becomes; by rounding it is 1 + 1e-7 now and then
        np.minimum(target, np.float32(1.0), out=target)
