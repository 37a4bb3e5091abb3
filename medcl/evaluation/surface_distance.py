"""Distances between the surfaces of two masks, in any unit: what Hausdorff and average surface distances are made of.

A mask's surface are its voxels with a face on the outside or on the image's edge; distances go from voxel centre to the
nearest voxel centre of the other surface (Yeghiazaryan and Voiculescu, J Med Imaging 2018). Searched with SciPy's k-d
tree, which is exact: on a plane shifted by 4 voxels of 0.7 mm it gives 2.8, where MONAI's float32 gives 2.7999997.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]

PERCENTILE = 95.0
"""Of HD95."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances from each voxel of one surface to the other surface.

    Attributes:
        truth_to_prediction: (T,) one for each voxel of the truth's surface.
        prediction_to_truth: (P,) one for each voxel of the prediction's surface.
    """

    truth_to_prediction: Distances
    prediction_to_truth: Distances

    @property
    def average(self) -> float:
        """ASSD: the mean over all voxels of both surfaces."""
        both = np.concatenate([self.truth_to_prediction, self.prediction_to_truth])
        return float(both.mean())

    def hausdorff(self, percentile: float = 100.0) -> float:
        """The greater of both directions' percentiles: HD at 100, HD95 at 95 (between voxels: linear)."""
        ways = (self.truth_to_prediction, self.prediction_to_truth)
        return float(max(np.percentile(way, percentile) for way in ways))


def surface_distances(truth: Mask, prediction: Mask, spacing: Sequence[float]) -> SurfaceDistances:
    """Distances between the surfaces of two masks of the same grid.

    Args:
        truth, prediction: (Z, Y, X), each with at least one voxel.
        spacing: along z, y, x; the unit of the distances. Ones give voxels.
    """
    true, predicted = _points(truth, spacing), _points(prediction, spacing)
    return SurfaceDistances(_nearest(true, predicted), _nearest(predicted, true))


def surface(mask: Mask) -> Mask:
    """The surface's voxels, (Z, Y, X). Along an axis of length 1 there is no outside, so that a slice has an outline.

    Args:
        mask: (Z, Y, X).
    """
    from scipy.ndimage import binary_erosion, generate_binary_structure

    faces = generate_binary_structure(3, 1)
    for axis in (axis for axis, length in enumerate(mask.shape) if length == 1):
        faces[(slice(None),) * axis + ([0, 2],)] = False
    edge: Mask = mask & ~binary_erosion(mask, faces)
    return edge


def _points(mask: Mask, spacing: Sequence[float]) -> Distances:
    """(N, 3), where the surface's voxels are."""
    return np.argwhere(surface(mask)).astype(np.float64) * np.asarray(spacing, dtype=np.float64)


def _nearest(points: Distances, others: Distances) -> Distances:
    from scipy.spatial import cKDTree

    found: Distances = cKDTree(others).query(points)[0]
    return found
