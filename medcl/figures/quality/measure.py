"""One prepared image as the quality page shows it: its picture, histogram and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.planes import BRIGHTEST, montage
from medcl.figures.png import Picture, picture
from medcl.figures.quality.statistics import STATISTICS, Box, filled_box, take_sample
from medcl.imaging.canonical import canonical
from medcl.imaging.geometry import Triple
from medcl.imaging.stored_volume import StoredVolume

BINS = 40
"""Of the histogram, from 0 to 1."""


@dataclass(frozen=True)
class Measured:
    """An image's picture and numbers.

    Attributes:
        picture: three planes with the region outlined.
        histogram: (BINS,) counts of voxels above 0, all 0 where there is none.
        values: by name of STATISTICS; NaN where no voxel is above 0.
        labelled: box of the labelled voxels, (first, last) along z, y, x; None where nothing is labelled.
    """

    picture: Picture
    histogram: tuple[int, ...]
    values: dict[str, float]
    labelled: tuple[tuple[int, int], ...] | None


def measure(
    volume: NDArray[np.float32], labels: NDArray[Any] | None, entry: StoredVolume, show_box: bool = False
) -> Measured:
    """Draw and measure an image.

    Args:
        volume: (Z, Y, X) in [0, 1], or as many slices (Y, X).
        labels: (Z, Y, X), or None.
        entry: its line of the manifest.
        show_box: outline the filled box where there are no labels.
    """
    sample = take_sample(volume, entry)
    region = labels != 0 if labels is not None else None
    labelled = filled_box(region) if region is not None else None
    if region is None and show_box and sample is not None:
        region = np.zeros(volume.shape, bool)
        region[sample.box] = True
    # slices that were acquired in another plane lie first; the picture shows all images the same way round
    shown = canonical(volume, entry.matrix)
    outlined = canonical(region, entry.matrix).voxels if region is not None else None
    box = filled_box(outlined) if labelled and outlined is not None else None
    white, histogram = 1.0, np.zeros(BINS, int)
    if sample is not None:
        white = float(np.quantile(sample.filled, BRIGHTEST))
        histogram = np.histogram(sample.filled, BINS, (0, 1))[0]
    return Measured(
        picture(montage(shown.voxels, shown.spacing, _middle(box or _all(shown.voxels)), white, outlined)),
        tuple(histogram.tolist()),
        {name: statistic.of(sample) if sample else float("nan") for name, statistic in STATISTICS.items()},
        tuple((int(part.start), int(part.stop) - 1) for part in labelled) if labelled else None,
    )


def _all(volume: NDArray[Any]) -> Box:
    return slice(0, volume.shape[0]), slice(0, volume.shape[1]), slice(0, volume.shape[2])


def _middle(box: Box) -> Triple:
    z, y, x = (int(part.start + part.stop) // 2 for part in box)
    return z, y, x
