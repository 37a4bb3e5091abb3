"""The voxels of a scan: where each lies in the scanner (RAS+ mm), in whatever axis order and direction it is stored.

Indices are NIfTI's (i, j, k); arrays here are indexed the same way, so that `array[i, j, k]` lies at
`affine @ (i, j, k, 1)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcl.imaging.simulate.shapes import Points

Slices = tuple[slice, slice, slice]

_AXES = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@dataclass(frozen=True)
class Grid:
    """A voxel grid.

    Args:
        shape: voxels along i, j, k.
        affine: 4x4 from (i, j, k) to RAS+ mm.
    """

    shape: tuple[int, int, int]
    affine: NDArray[Any]

    @property
    def spacing(self) -> NDArray[Any]:
        """Voxel sizes along i, j, k in mm."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    def moved(self, transform: NDArray[Any]) -> Grid:
        """The same voxels seen from another frame: `transform` (4x4) takes scanner mm to that frame."""
        return Grid(self.shape, transform @ self.affine)

    def whole(self) -> Slices:
        """Slices of every voxel."""
        return (slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2]))

    def box(self, low: ArrayLike, high: ArrayLike) -> Slices:
        """Slices of the voxels that can lie in a box of the frame, given by its lowest and highest x, y, z in mm."""
        ends = np.stack([np.asarray(low, dtype=float), np.asarray(high, dtype=float)])
        corners = np.array([[ends[a, 0], ends[b, 1], ends[c, 2], 1] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
        index = (np.linalg.inv(self.affine) @ corners.T)[:3]
        first = np.clip(np.floor(index.min(axis=1)), 0, self.shape).astype(int)
        last = np.clip(np.ceil(index.max(axis=1)) + 1, 0, self.shape).astype(int)
        return (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))

    def points(self, where: Slices, offset: ArrayLike = (0.0, 0.0, 0.0)) -> Points:
        """Return x, y, z in mm of the voxels' centres, each moved by `offset` voxels, as float32 arrays."""
        steps = [
            (np.arange(part.start, part.stop, dtype=np.float32) + np.float32(shift)).reshape(
                [-1 if axis == k else 1 for k in range(3)]
            )
            for axis, (part, shift) in enumerate(zip(where, np.asarray(offset), strict=True))
        ]
        matrix = self.affine.astype(np.float32)
        x, y, z = (
            matrix[row, 0] * steps[0] + matrix[row, 1] * steps[1] + matrix[row, 2] * steps[2] + matrix[row, 3]
            for row in range(3)
        )
        return x, y, z


def scan_grid(
    axes: str, shape: tuple[int, int, int], spacing: tuple[float, float, float], centre: ArrayLike, tilt: NDArray[Any]
) -> Grid:
    """Return the grid of a scan.

    Args:
        axes: where i, j and k lead, such as "LPS" (to the left, to the back, to the head).
        shape: voxels along i, j, k.
        spacing: mm along i, j, k.
        centre: RAS+ mm of the middle of the grid.
        tilt: 3x3 rotation of the scan planes (oblique scans); the identity for straight ones.
    """
    matrix = np.zeros((3, 3))
    for column, letter in enumerate(axes):
        row, sign = _AXES[letter]
        matrix[row, column] = sign * spacing[column]
    matrix = tilt @ matrix
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = np.asarray(centre, dtype=float) - matrix @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)
