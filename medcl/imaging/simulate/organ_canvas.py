"""A canvas that also keeps whose each voxel is: label maps follow from what was painted, in the order painted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.grid import Grid, Slices
from medcl.imaging.simulate.shapes import Points


class OrganCanvas(Canvas):
    """A canvas with the share of every voxel that each organ takes.

    What is painted belongs to the organ named by `belonging_to`, and takes its place from whatever lay there.

    Args:
        grid: the voxels, in the frame in which the shapes are given.
        signal: each tissue's signal; that of "air" fills the canvas.
        labels: the organs' values in label maps.
        edge: width of the soft edges in mm; the mean spacing unless told.
    """

    def __init__(
        self, grid: Grid, signal: Mapping[str, float], labels: tuple[int, ...], edge: float | None = None
    ) -> None:
        super().__init__(grid, signal, edge)
        self.image += np.float32(signal["air"])
        self.shares = {label: np.zeros(grid.shape, dtype=np.float32) for label in labels}
        self._owner = 0
        self._painted: set[int] = set()
        self._points = grid.points(grid.whole())
        heights = self._points[2][:: max(grid.shape[0] - 1, 1), :: max(grid.shape[1] - 1, 1)]
        self._heights = float(heights.min()), float(heights.max())

    @contextmanager
    def belonging_to(self, label: int) -> Iterator[None]:
        """Whatever is painted within belongs to this organ."""
        before, self._owner = self._owner, label
        self._painted.add(label)
        try:
            yield
        finally:
            self._owner = before

    def points(self, where: Slices) -> Points:
        """Return x, y, z in mm of the voxels' centres."""
        x, y, z = self._points
        return x[where], y[where], z[where]

    def solid(self, tissue: str, low: ArrayLike, high: ArrayLike, distance: Callable[[Points], NDArray[Any]]) -> None:
        """Paint a solid, as `Canvas` does; solids above or below the slab cost next to nothing."""
        low, high, margin = np.asarray(low), np.asarray(high), float(self.edge)
        if low[2] - margin > self._heights[1] or high[2] + margin < self._heights[0]:
            return
        where = self.grid.box(low - margin, high + margin)
        if all(part.start < part.stop for part in where):
            self.cover(tissue, where, self.covered(distance(self.points(where))))

    def cover(self, tissue: str, where: Slices, share: NDArray[Any]) -> None:
        """Lay a tissue over a share of each voxel, and give that share to the organ that is being painted."""
        super().cover(tissue, where, share)
        for label in self._painted:
            part = self.shares[label][where]
            part *= 1 - share
            if label == self._owner:
                part += share

    def flat(self) -> tuple[NDArray[Any], dict[int, NDArray[Any]]]:
        """Return the image and the organs' shares averaged along the last axis: a slice of the slab's thickness."""
        return _mean(self.image), {label: _mean(share) for label, share in self.shares.items()}


def label_map(shares: Mapping[int, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return which organ, or 0 for none, takes most of each voxel."""
    parts = np.stack(list(shares.values()))
    parts = np.concatenate([1 - parts.sum(axis=0, keepdims=True), parts])
    return np.asarray(np.array([0, *shares], dtype=np.uint8)[parts.argmax(axis=0)])


def _mean(values: NDArray[Any]) -> NDArray[Any]:
    # numpy's mean along a short last axis is several times slower.
    total = values[..., 0].copy()
    for part in range(1, values.shape[-1]):
        total += values[..., part]
    return np.asarray(total / np.float32(values.shape[-1]))
