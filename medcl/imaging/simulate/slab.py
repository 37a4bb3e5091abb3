"""The points of one slice of a simulated exam, through its thickness and moved by the patient's breath."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.grid import Grid


def slab(grid: Grid, thickness: float, pose: NDArray[Any], breath: NDArray[Any], k: int, parts: int) -> Grid:
    """Return the points of slice `k` in the patient's frame: its plane `parts` times within its thickness.

    Args:
        grid: of the whole exam, its slices along the last axis.
        thickness: of a slice in mm.
        pose: 4x4 from the patient's frame to the scanner's.
        breath: (3,) where breathing has moved the patient in this slice, mm.
        k: number of the slice.
        parts: planes within the slice.
    """
    affine = grid.affine.copy()
    normal = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    affine[:3, 3] += affine[:3, 2] * k - normal * thickness * (0.5 - 0.5 / parts)
    affine[:3, 2] = normal * thickness / parts
    moved = np.eye(4)
    moved[:3, 3] = breath
    return Grid((*grid.shape[:2], parts), affine).moved(np.linalg.inv(pose @ moved))
