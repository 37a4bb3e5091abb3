"""What intensity alone, or place alone, can say of the labels: what a segmentation method must be better than.

Both are given more than is fair: the band of intensities is fitted to the very image that it is scored on, and the
atlas knows which slices the stack begins and ends with. A set on which either scores high would not need a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LOWER = (0.5, 2, 5, 10, 20, 35)
UPPER = (65, 80, 90, 95, 98, 99.5)
"""Percentiles of the class's own intensities between which bands are tried; the ends of the scale are tried too."""


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the Dice coefficient of two masks; NaN when both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * float((found & truth).sum()) / total if total else float("nan")


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest part that hangs together by faces; all of an empty mask."""
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    return np.asarray(parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:])))


def best_band(voxels: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Return the highest Dice of any band of intensities, as it is or with its largest component only.

    Args:
        voxels: the image.
        truth: the class's mask, which also chooses the band.
    """
    within = voxels[truth]
    best = 0.0
    for low in (-np.inf, *np.percentile(within, LOWER)):
        for high in (*np.percentile(within, UPPER), np.inf):
            band = (voxels >= low) & (voxels <= high)
            best = max(best, dice(band, truth), dice(largest_component(band), truth))
    return best


def centred(labels: NDArray[Any], spacing: Sequence[float], size: int = 96, slices: int = 12, step: float = 2.5) -> Any:
    """Return a label map on a common grid round the middle of its field of view.

    Args:
        labels: indexed (i, j, k), k counting slices, all images in the same direction.
        spacing: of i and j in mm.
        size: pixels of the result along i and j.
        slices: of the result, spread over the stack from its first to its last.
        step: mm of its pixels.
    """
    at = (np.arange(size) - (size - 1) / 2) * step
    picked = []
    for axis in (0, 1):
        index = np.rint((labels.shape[axis] - 1) / 2 + at / spacing[axis]).astype(int)
        picked.append(index)
    levels = np.rint(np.linspace(0, labels.shape[2] - 1, slices)).astype(int)
    inside = [(index >= 0) & (index < count) for index, count in zip(picked, labels.shape[:2], strict=True)]
    clipped = [np.clip(index, 0, count - 1) for index, count in zip(picked, labels.shape[:2], strict=True)]
    found = labels[np.ix_(*clipped, levels)]
    return np.where(inside[0][:, None, None] & inside[1][None, :, None], found, 0)


def atlas_dice(maps: NDArray[Any], patients: NDArray[Any], classes: Sequence[int]) -> NDArray[Any]:
    """Return (N, classes) Dice of each map against the commonest label of the other patients' maps at each place.

    Args:
        maps: (N, X, Y, Z) label maps on a common grid.
        patients: (N,) whose they are.
        classes: label values to score, background aside.
    """
    scores = np.zeros((len(maps), len(classes)))
    for patient in np.unique(patients):
        others = maps[patients != patient]
        votes = np.stack([(others == value).mean(axis=0) for value in (0, *classes)])
        guess = np.array([0, *classes])[votes.argmax(axis=0)]
        for row in np.flatnonzero(patients == patient):
            scores[row] = [dice(guess == value, maps[row] == value) for value in classes]
    return scores
