"""From the voxels of one grid to those of another: where each comes to lie, which are reached, and what stands there.

A grid is an array's shape (z, y, x) with an affine; nothing else is known of what lies between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.geometry import Affine, Triple

EDGE_VOXELS = 0.75
"""How far beyond the middle of a stored volume's last voxel it still speaks, in its own voxels: half a voxel, and the
quarter by which the rounding of a shape to whole voxels can leave an image's border uncovered (`resample`)."""

SLAB_VOXELS = 1 << 22
"""Voxels of the original that are worked on at a time, so that memory stays flat however many classes there are."""

ROUNDING = 1e-6
"""Voxels by which positions may be off that were computed through an inverted affine."""


@dataclass(frozen=True, eq=False)
class Way:
    """From a voxel index (z, y, x) of one grid to that of another: matrix @ index + offset."""

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def between(cls, source: Affine, target: Affine) -> Way:
        """From a grid with the affine `source` to one with `target`."""
        whole = np.asarray(np.linalg.solve(target, source), np.float64)
        return cls(whole[2::-1, 2::-1].copy(), whole[2::-1, 3].copy())

    def inverse(self) -> Way:
        """The way back."""
        back = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return Way(back, -back @ self.offset)

    def begun_at(self, start: Sequence[int]) -> Way:
        """The same way for an array that begins at voxel `start`."""
        return Way(self.matrix, self.matrix @ np.asarray(start, np.float64) + self.offset)

    def positions(self, shape: Triple) -> list[NDArray[np.float64]]:
        """Where the voxels of an array come to lie along z, y, x; three arrays that broadcast to its shape.

        An axis that does not matter for a coordinate has length 1 in it, so that for grids whose axes are parallel
        three short arrays say all.
        """
        grid = np.ogrid[tuple(slice(n) for n in shape)]
        found = []
        for row, begin in zip(self.matrix, self.offset, strict=True):
            place = np.full((1, 1, 1), begin)
            for step, along, n in zip(row, grid, shape, strict=True):
                if abs(step) * n > ROUNDING:
                    place = place + step * along
            found.append(place)
        return found

    def parallel_axes(self, shape: Triple) -> tuple[int, int, int] | None:
        """For each axis of an array the axis of the other grid that runs along it; None where grids are turned."""
        moves = np.abs(self.matrix) * np.asarray(shape) > ROUNDING
        if not ((moves.sum(axis=0) == 1).all() and (moves.sum(axis=1) == 1).all()):
            return None
        z, y, x = (int(axis) for axis in moves.argmax(axis=0))
        return z, y, x


@dataclass(frozen=True, eq=False)
class Slab:
    """A part of the original grid, and the way from it to the stored one."""

    window: tuple[slice, slice, slice]
    way: Way

    @property
    def shape(self) -> Triple:
        """Voxels along z, y, x."""
        z, y, x = (part.stop - part.start for part in self.window)
        return z, y, x


def slabs(way: Way, box: NDArray[np.float64], shape: Triple) -> Iterator[Slab]:
    """Yield the part of the original grid that a box of the stored one reaches, some slices at a time.

    Args:
        way: from the original grid to the stored one.
        box: (2, 3) first and last position along z, y, x of the stored grid.
        shape: (z, y, x) of the original grid.
    """
    back = way.inverse()
    corners = np.array(list(product(*box.T))) @ back.matrix.T + back.offset
    low = np.maximum(np.floor(corners.min(axis=0) - ROUNDING), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=0) + ROUNDING) + 1, shape).astype(int)
    if (high <= low).any():
        return
    plane = slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))
    step = max(1, SLAB_VOXELS // int(np.prod(high[1:] - low[1:])))
    for first in range(int(low[0]), int(high[0]), step):
        last = min(first + step, int(high[0]))
        yield Slab((slice(first, last), *plane), way.begun_at((first, int(low[1]), int(low[2]))))


def interpolation(slab: Slab, size: Sequence[int]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Linear interpolation of a stored volume at the voxels of a slab; beyond the border the border's voxel counts.

    Where the axes of both grids are parallel, as whatever `prepare` does leaves them, it is a weighted sum along each
    axis in turn: three products of matrices, a quarter of the time of the general way.
    """
    axes = slab.way.parallel_axes(slab.shape)
    if axes is None:
        from scipy import ndimage

        way = slab.way
        return lambda each: np.asarray(
            ndimage.affine_transform(
                each, way.matrix, way.offset, slab.shape, order=1, mode="nearest", output=np.float32
            )
        )
    positions = slab.way.positions(slab.shape)
    z, y, x = (_weights(positions[axis].ravel(), size[axis]) for axis in axes)
    return lambda each: np.asarray((y @ np.tensordot(z, each.transpose(axes), 1)) @ x.T)


def _weights(positions: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """What each of `count` stored voxels adds at each position along an axis, (positions, count)."""
    inner = np.clip(positions, 0, count - 1)
    whole = np.rint(inner)
    inner = np.where(np.abs(inner - whole) < ROUNDING, whole, inner)  # a grid that is only turned comes back exactly
    below = np.minimum(np.floor(inner).astype(np.intp), max(count - 2, 0))
    weights = np.zeros((len(inner), count), np.float32)
    rows = np.arange(len(inner))
    weights[rows, below] = 1 - (inner - below)
    if count > 1:
        weights[rows, below + 1] = inner - below
    return weights


def inside(positions: Sequence[NDArray[np.float64]], size: Sequence[int]) -> NDArray[np.bool_]:
    """Which positions (along z, y, x, as of `Way.positions`) a stored volume of `size` voxels speaks for."""
    found = np.ones((1, 1, 1), np.bool_)
    for place, n in zip(positions, size, strict=True):
        found = found & (place >= -EDGE_VOXELS - ROUNDING) & (place <= n - 1 + EDGE_VOXELS + ROUNDING)
    shape = np.broadcast_shapes(*(place.shape for place in positions))
    return np.broadcast_to(found, shape)
