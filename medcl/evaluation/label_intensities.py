"""What became of each label's intensities in a translation: a liver that is bright in one slice and dark in the next
shows in the spread of its label, one that took on the intensities of its surroundings in the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelIntensities:
    """Intensities of one label.

    Attributes:
        label: its value in the label map; 0 is background.
        voxels: how many carry it.
        source_mean, source_sd: of the source's intensities there.
        translated_mean, translated_sd: of the translation's.
    """

    label: int
    voxels: int
    source_mean: float
    source_sd: float
    translated_mean: float
    translated_sd: float


def label_intensities(source: Floats, translated: Floats, labels: npt.NDArray[Any]) -> list[LabelIntensities]:
    """Mean and standard deviation of each label that is there, in the order of their values.

    Args:
        source, translated: arrays of one shape, in any unit.
        labels: of the same shape; unsigned integers, background (0) among them.

    Raises:
        ValueError: the shapes differ.
    """
    if not source.shape == translated.shape == labels.shape:
        raise ValueError(
            f"source {source.shape}, translation {translated.shape} and labels {labels.shape} differ in their shapes"
        )
    values, place = np.unique(labels.ravel(), return_inverse=True)
    counts = np.bincount(place, minlength=len(values))
    before, after = (_moments(image, place, counts) for image in (source, translated))
    columns = zip(values.tolist(), counts.tolist(), *before, *after, strict=True)
    return [LabelIntensities(*row) for row in columns]


def _moments(image: Floats, place: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]) -> tuple[list[float], ...]:
    """Mean and standard deviation at each place; the second from what is left of the mean, which loses no digits."""
    flat = image.ravel().astype(np.float64)
    means = np.bincount(place, flat, len(counts)) / counts
    squares = np.bincount(place, np.square(flat - means[place]), len(counts)) / counts
    return means.tolist(), np.sqrt(squares).tolist()
