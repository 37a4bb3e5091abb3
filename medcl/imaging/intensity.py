"""Intensities to [0, 1]: by each image's own statistics, or by a fixed window.

`normalise` is what the public code of the kidney paper does (Milecki et al., MIDL 2022,
github.com/leomlck/renal_transplant_imaging): z-score, clip to +-5, min-max to [0, 1]. Signal of MR has no unit, so
the image's own statistics are the scale; Hounsfield units are one already, so a window keeps them comparable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLIP_DEVIATIONS = 5.0
"""Standard deviations from the mean beyond which an intensity is cut off."""

PERCENTILES = (1.0, 99.0)
"""What becomes 0 and 1 with --intensity percentile (ours; the translation paper names no scale for MR)."""


@dataclass(frozen=True)
class Levels:
    """The intensities that become 0 and 1; a stored number s was low + s (high - low), where it was not cut off."""

    low: float
    high: float


def normalise(voxels: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Z-score, clip to +-5, rescale so that the least is 0 and the greatest 1.

    Args:
        voxels: (Z, Y, X), finite and not all equal.
        out: where the result goes, `voxels` itself allowed; a new array when None.
    """
    return normalised(voxels, out)[0]


def normalised(
    voxels: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], Levels]:
    """As `normalise`, with what became 0 and 1.

    A z-score and a rescaling are both linear, so the result needs the clip bounds only. They are found after a first
    rescaling, where float32 holds mean and standard deviation of any image well.
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
    return result, Levels(low + bottom * (high - low), low + top * (high - low))


def zscore_levels(images: Sequence[NDArray[np.float32]]) -> Levels:
    """What `normalise` would make 0 and 1 if the images, each (Z, Y, X), were one."""
    count = sum(image.size for image in images)
    mean = sum(float(image.sum(dtype=np.float64)) for image in images) / count
    squares = sum(float(np.square(part - mean, dtype=np.float64).sum()) for image in images for part in image)
    reach = CLIP_DEVIATIONS * (squares / count) ** 0.5
    low, high = min(float(image.min()) for image in images), max(float(image.max()) for image in images)
    return Levels(max(low, mean - reach), min(high, mean + reach))


def percentile_levels(images: Sequence[NDArray[np.float32]]) -> Levels:
    """The 1st and 99th percentile of all voxels of the images together; equal where nearly all voxels are."""
    voxels = images[0] if len(images) == 1 else np.concatenate([image.ravel() for image in images])
    low, high = np.percentile(voxels, PERCENTILES)
    return Levels(float(low), float(high))


LEVELS: dict[str, Callable[[Sequence[NDArray[np.float32]]], Levels]] = {
    "zscore": zscore_levels,
    "percentile": percentile_levels,
}
"""The intensity recipes by the word of --intensity."""


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
