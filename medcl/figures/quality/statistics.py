"""The simple numbers by which the quality page compares images: what each says and from which difference on it counts.

New ones join by a line in STATISTICS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.stored_volume import StoredVolume

MOST_SLICES = 16
"""Axial slices, evenly spaced over the filled box, that intensities are taken from."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Sample:
    """What the statistics are made of.

    Attributes:
        slices: (K, Y, X) axial slices of the filled box.
        filled: their voxels above 0; at least one.
        spread: standard deviation of `filled`.
        box: smallest box that holds all voxels above 0, z, y, x.
        entry: the image's line of the manifest.
    """

    slices: NDArray[np.float32]
    filled: NDArray[np.float32]
    spread: float
    box: Box
    entry: StoredVolume


@dataclass(frozen=True)
class Statistic:
    """One number of an image.

    Attributes:
        title: its column's heading.
        about: one sentence for the page.
        least: the smallest standard deviation that differences are measured in, so that rounding is no outlier.
        of: computes it.
        percent: whether it is a share, shown in percent.
    """

    title: str
    about: str
    least: float
    of: Callable[[Sample], float]
    percent: bool = False


def take_sample(volume: NDArray[np.float32], entry: StoredVolume) -> Sample | None:
    """The sample of a volume (Z, Y, X) in [0, 1]; None where no voxel is above 0."""
    box = filled_box(volume > 0)
    if box is None:
        return None
    inside = volume[box]
    slices = inside[:: -(-inside.shape[0] // MOST_SLICES)]
    filled = slices[slices > 0]
    if not filled.size:  # all that is filled lies between the slices taken
        slices = inside
        filled = slices[slices > 0]
    return Sample(slices, filled, float(filled.std()), box, entry)


def filled_box(filled: NDArray[np.bool_]) -> Box | None:
    """Smallest box that holds all true voxels of (Z, Y, X); None where there is none."""
    deep = np.flatnonzero(np.any(filled, axis=(1, 2)))
    if not deep.size:
        return None
    flat: NDArray[np.bool_] = np.any(filled, axis=0)
    high, wide = np.flatnonzero(np.any(flat, axis=1)), np.flatnonzero(np.any(flat, axis=0))
    return slice(deep[0], deep[-1] + 1), slice(high[0], high[-1] + 1), slice(wide[0], wide[-1] + 1)


def _limits(sample: Sample) -> float:
    return float(np.mean((sample.slices <= 0) | (sample.slices >= 1)))


def _empty(sample: Sample) -> float:
    inside = np.prod([part.stop - part.start for part in sample.box])
    return float(1 - inside / np.prod(sample.entry.shape))


def _sharpness(sample: Sample) -> float:
    total, count = 0.0, 0
    for axis in (1, 2):
        both = np.minimum(*(np.delete(sample.slices, end, axis) for end in (0, -1))) > 0
        steps = np.abs(np.diff(sample.slices, axis=axis))[both]
        total, count = total + float(steps.sum()), count + steps.size
    return total / count / sample.spread if count and sample.spread else 0.0


STATISTICS = {
    "mean": Statistic(
        "Mean", "mean intensity of the voxels above 0.", 0.005, lambda sample: float(sample.filled.mean())
    ),
    "spread": Statistic(
        "Spread", "standard deviation of the voxels above 0; low where contrast is poor.", 0.005,
        lambda sample: sample.spread,
    ),
    "limits": Statistic(
        "At limits", "share of voxels of the filled box at exactly 0 or 1: cut off, or emptied by the scanner.", 0.005,
        _limits, percent=True,
    ),
    "empty": Statistic(
        "Empty border", "share of the volume outside the smallest box that holds all voxels above 0: padding.", 0.01,
        _empty, percent=True,
    ),
    "longest_edge": Statistic(
        "Longest edge", "longest edge of the source's voxels in mm, as a rule the slice distance.", 0.05,
        lambda sample: max(sample.entry.source_spacing),
    ),
    "shortest_edge": Statistic(
        "Shortest edge", "shortest edge of the source's voxels in mm, as a rule the pixel size.", 0.02,
        lambda sample: min(sample.entry.source_spacing),
    ),
    "sharpness": Statistic(
        "Sharpness",
        "mean step between voxels side by side in a slice, in units of the spread; low where it is blurred, "
        "high where it is noisy.",
        0.01, _sharpness,
    ),
}  # fmt: skip
"""By the name under which images hold their values."""
