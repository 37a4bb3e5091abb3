"""A volume onto which tissues are painted one over the other, with soft edges a voxel wide (partial volume)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcl.imaging.simulate.grid import Grid, Slices
from medcl.imaging.simulate.shapes import Points


class Canvas:
    """The image of one scan while it is painted.

    Args:
        grid: the voxels, in the frame in which the shapes are given.
        signal: each tissue's signal.
        edge: width of the soft edges in mm; the mean spacing unless told.
    """

    def __init__(self, grid: Grid, signal: Mapping[str, float], edge: float | None = None) -> None:
        self.grid = grid
        self.signal = signal
        self.image = np.zeros(grid.shape, dtype=np.float32)
        self.edge = np.float32(grid.spacing.mean() if edge is None else edge)

    def copied(self, signal: Mapping[str, float]) -> Canvas:
        """A copy of what is painted so far, to go on with other signals."""
        copy = Canvas(self.grid, signal, float(self.edge))
        copy.image = self.image.copy()
        return copy

    def seen_from(self, transform: NDArray[Any]) -> Canvas:
        """The same image in another frame: `transform` (4x4) takes mm of this frame to that one."""
        other = Canvas(self.grid.moved(transform), self.signal, float(self.edge))
        other.image = self.image
        return other

    def solid(self, tissue: str, low: ArrayLike, high: ArrayLike, distance: Callable[[Points], NDArray[Any]]) -> None:
        """Paint a solid given by its signed distance; nothing outside the box from `low` to `high` is looked at."""
        margin = float(self.edge)
        where = self.grid.box(np.asarray(low) - margin, np.asarray(high) + margin)
        if any(part.start >= part.stop for part in where):
            return
        self.cover(tissue, where, self.covered(distance(self.grid.points(where))))

    def covered(self, distance: NDArray[Any]) -> NDArray[Any]:
        """Return the share of each voxel that lies inside a surface."""
        return np.clip(np.float32(0.5) - distance / self.edge, 0, 1)

    def cover(self, tissue: str, where: Slices, share: NDArray[Any]) -> None:
        """Lay a tissue over a share of each voxel."""
        part = self.image[where]
        part += share * (np.float32(self.signal[tissue]) - part)
