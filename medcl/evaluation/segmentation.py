"""How well one class of one segmented image agrees with the truth: Dice, ASSD, directed ASD, HD and HD95.

Formulas and sources: docs/methods/segmentation-metrics.md. What has no voxel has no surface, so emptiness is told
before anything is measured: where both masks are empty nothing is defined (NaN), and such cases stay out of means;
where one is, Dice is 0 and every distance is the image's diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medcl.evaluation.surface_distance import PERCENTILE, Mask, SurfaceDistances, surface_distances


@dataclass(frozen=True)
class Metric:
    """One number of a case and class.

    Attributes:
        title: as a heading.
        unit: "", "mm" or "voxels".
        about: one sentence for pages.
    """

    title: str
    unit: str
    about: str


_DISTANCES = {
    "assd": ("ASSD", "average symmetric surface distance, the mean over all voxels of both surfaces."),
    "asd_prediction_to_truth": (
        "ASD prediction → truth",
        "mean distance from the predicted surface to the true one; large where too much was segmented.",
    ),
    "asd_truth_to_prediction": (
        "ASD truth → prediction",
        "mean distance from the true surface to the predicted one; large where something was missed.",
    ),
    "hd": ("HD", "Hausdorff distance, the greatest distance from one surface to the other."),
    "hd95": ("HD95", "the 95th percentile of these distances in each direction, the greater of the two."),
}

METRICS = {
    "dice": Metric("Dice", "", "twice the common voxels by the sum of both masks' voxels; 1 is perfect."),
    **{
        f"{name}_{unit}": Metric(title, unit, about)
        for unit in ("mm", "voxels")
        for name, (title, about) in _DISTANCES.items()
    },
}
"""By the name of their column in metrics.csv."""


@dataclass(frozen=True)
class ClassScores:
    """What was measured of one class of one case.

    Attributes:
        truth_voxels, prediction_voxels: how many voxels have the class.
        voxel_ml: volume of a voxel.
        values: by name of METRICS; all NaN where both are empty.
    """

    truth_voxels: int
    prediction_voxels: int
    voxel_ml: float
    values: dict[str, float]

    @property
    def empty(self) -> str:
        """Which mask has no voxel of the class: "", "truth", "prediction" or "both"."""
        if self.truth_voxels and self.prediction_voxels:
            return ""
        if self.truth_voxels:
            return "prediction"
        return "truth" if self.prediction_voxels else "both"


def class_scores(truth: Mask, prediction: Mask, spacing: Sequence[float]) -> ClassScores:
    """Measure one class.

    Args:
        truth, prediction: (Z, Y, X) where the class is, on one grid; a 2D image has an axis of length 1.
        spacing: mm along z, y, x.
    """
    counts = int(np.count_nonzero(truth)), int(np.count_nonzero(prediction))
    if all(counts):
        values = _measured(truth, prediction, spacing, 2 * int(np.count_nonzero(truth & prediction)) / sum(counts))
    elif any(counts):
        mm, voxels = diagonal(truth.shape, spacing), diagonal(truth.shape, (1.0, 1.0, 1.0))
        values = {name: {"": 0.0, "mm": mm, "voxels": voxels}[metric.unit] for name, metric in METRICS.items()}
    else:
        values = dict.fromkeys(METRICS, float("nan"))
    return ClassScores(*counts, float(np.prod(spacing)) / 1000, values)


def diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Length of an image's diagonal, in the unit of the spacing; axes of length 1 add nothing."""
    edges = [count * step for count, step in zip(shape, spacing, strict=True) if count > 1]
    return float(np.sqrt(np.sum(np.square(edges))))


def _measured(truth: Mask, prediction: Mask, spacing: Sequence[float], dice: float) -> dict[str, float]:
    """The metrics of two masks that both have voxels, in the order of METRICS."""
    box = _box(truth | prediction)
    # one empty slice behind the box: an axis along which only the box is flat keeps its outside
    around = [(0, int(length > 1)) for length in truth.shape]
    cut, other = np.pad(truth[box], around), np.pad(prediction[box], around)
    mm = surface_distances(cut, other, spacing)
    voxels = surface_distances(cut, other, (1.0, 1.0, 1.0))
    return {"dice": dice, **_named(mm, "mm"), **_named(voxels, "voxels")}


def _named(distances: SurfaceDistances, unit: str) -> dict[str, float]:
    values = {
        "assd": distances.average,
        "asd_prediction_to_truth": float(distances.prediction_to_truth.mean()),
        "asd_truth_to_prediction": float(distances.truth_to_prediction.mean()),
        "hd": distances.hausdorff(),
        "hd95": distances.hausdorff(PERCENTILE),
    }
    return {f"{name}_{unit}": value for name, value in values.items()}


def _box(mask: Mask) -> tuple[slice, slice, slice]:
    """Smallest box that holds all voxels of (Z, Y, X), at least one."""
    z, y, x = (np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return slice(z[0], z[-1] + 1), slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)
