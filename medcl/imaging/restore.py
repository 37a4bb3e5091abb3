"""Back from a stored volume to the grid of an original image: every voxel by the two affines, no step undone.

Whatever was done to an image (region, resampling, crop or padding, turned or flipped axes), its stored volume's affine
says where its voxels lie in the patient. A voxel of the original therefore asks the stored volume at its own place:
class probabilities by linear interpolation before the largest is taken, which keeps borders smooth; label maps by the
nearest voxel. What lies outside of the stored volume is background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.geometry import Affine, Triple
from medcl.imaging.volume import Volume

EDGE_VOXELS = 0.75
"""How far beyond the middle of a stored volume's last voxel it still speaks, in its own voxels: half a voxel, and the
quarter by which the rounding of a shape to whole voxels can leave an image's border uncovered (`resample`)."""

SLAB_VOXELS = 1 << 22
"""Voxels of the original that are worked on at a time, so that memory stays flat however many classes there are."""

_ROUNDING = 1e-6  # voxels, of positions that were computed through an inverted affine
_SURE_BACKGROUND = 0.501  # the others then share less than a half, whatever the interpolation between such voxels


def restored_classes(probabilities: NDArray[np.float32], stored: Affine, shape: Triple, affine: Affine) -> Volume:
    """The most probable class of every voxel of an original grid.

    Args:
        probabilities: (K, Z, Y, X) of a stored volume, which sum to 1 over K; class 0 is background.
        stored: affine of the stored volume.
        shape: (z, y, x) of the original grid.
        affine: of the original grid, in whatever order its axes run.

    Returns:
        (z, y, x) class indices 0..K-1, uint8 or uint16; of equally probable classes the first.
    """
    classes, *size = probabilities.shape
    result = np.zeros(shape, _type_for(classes - 1))
    box = _box(probabilities[0] < _SURE_BACKGROUND)
    if box is None:
        return Volume(result, affine)
    for slab in _slabs(_Way.between(affine, stored), box, shape):
        interpolate = _interpolation(slab, size)
        found = result[slab.window]
        best = interpolate(probabilities[0])
        for index in range(1, classes):
            value = interpolate(probabilities[index])
            np.copyto(found, index, where=value > best)
            np.maximum(best, value, out=best)
        found[~_inside(slab.way.positions(slab.shape), size)] = 0
    return Volume(result, affine)


def restored_labels(labels: Volume, shape: Triple, affine: Affine) -> Volume:
    """A label map on an original grid, by the nearest voxel; between grids that only permute and flip axes exact.

    Args:
        labels: (Z, Y, X) unsigned integers.
        shape, affine: as of `restored_classes`.
    """
    result = np.zeros(shape, labels.voxels.dtype)
    box = _box(labels.voxels != 0)
    if box is None:
        return Volume(result, affine)
    for slab in _slabs(_Way.between(affine, labels.affine), box, shape):
        positions = slab.way.positions(slab.shape)
        nearest = [
            np.clip(np.floor(place + 0.5 + _ROUNDING).astype(np.intp), 0, n - 1)
            for place, n in zip(positions, labels.shape, strict=True)
        ]
        found = np.broadcast_to(labels.voxels[tuple(nearest)], slab.shape)
        result[slab.window] = np.where(_inside(positions, labels.shape), found, 0)
    return Volume(result, affine)


@dataclass(frozen=True, eq=False)
class _Way:
    """From a voxel index (z, y, x) of one grid to that of another: matrix @ index + offset."""

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def between(cls, source: Affine, target: Affine) -> _Way:
        whole = np.asarray(np.linalg.solve(target, source), np.float64)
        return cls(whole[2::-1, 2::-1].copy(), whole[2::-1, 3].copy())

    def inverse(self) -> _Way:
        back = np.asarray(np.linalg.inv(self.matrix), np.float64)
        return _Way(back, -back @ self.offset)

    def begun_at(self, start: Sequence[int]) -> _Way:
        """The same way for an array that begins at voxel `start`."""
        return _Way(self.matrix, self.matrix @ np.asarray(start, np.float64) + self.offset)

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
                if abs(step) * n > _ROUNDING:
                    place = place + step * along
            found.append(place)
        return found

    def parallel_axes(self, shape: Triple) -> tuple[int, int, int] | None:
        """For each axis of an array the axis of the other grid that runs along it; None where grids are turned."""
        moves = np.abs(self.matrix) * np.asarray(shape) > _ROUNDING
        if not ((moves.sum(axis=0) == 1).all() and (moves.sum(axis=1) == 1).all()):
            return None
        z, y, x = (int(axis) for axis in moves.argmax(axis=0))
        return z, y, x


@dataclass(frozen=True, eq=False)
class _Slab:
    """A part of the original grid, and the way from it to the stored one."""

    window: tuple[slice, slice, slice]
    way: _Way

    @property
    def shape(self) -> Triple:
        z, y, x = (part.stop - part.start for part in self.window)
        return z, y, x


def _interpolation(slab: _Slab, size: Sequence[int]) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
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
    below = np.minimum(np.floor(inner).astype(np.intp), max(count - 2, 0))
    weights = np.zeros((len(inner), count), np.float32)
    rows = np.arange(len(inner))
    weights[rows, below] = 1 - (inner - below)
    if count > 1:
        weights[rows, below + 1] = inner - below
    return weights


def _box(marked: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """First and last position (2, 3) that a marked voxel can have a part in; None when there is none."""
    ends = []
    for axis in range(3):
        where = np.flatnonzero(marked.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(where):
            return None
        ends.append((where[0] - 1.0, where[-1] + 1.0))
    return np.array(ends).T


def _slabs(way: _Way, box: NDArray[np.float64], shape: Triple) -> Iterator[_Slab]:
    """The part of the original grid that a box of the stored one reaches, some slices at a time."""
    back = way.inverse()
    corners = np.array(list(product(*box.T))) @ back.matrix.T + back.offset
    low = np.maximum(np.floor(corners.min(axis=0) - _ROUNDING), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=0) + _ROUNDING) + 1, shape).astype(int)
    if (high <= low).any():
        return
    plane = slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))
    step = max(1, SLAB_VOXELS // int(np.prod(high[1:] - low[1:])))
    for first in range(int(low[0]), int(high[0]), step):
        last = min(first + step, int(high[0]))
        yield _Slab((slice(first, last), *plane), way.begun_at((first, int(low[1]), int(low[2]))))


def _inside(positions: Sequence[NDArray[np.float64]], size: Sequence[int]) -> NDArray[np.bool_]:
    inside = np.ones((1, 1, 1), np.bool_)
    for place, n in zip(positions, size, strict=True):
        inside = inside & (place >= -EDGE_VOXELS - _ROUNDING) & (place <= n - 1 + EDGE_VOXELS + _ROUNDING)
    shape = np.broadcast_shapes(*(place.shape for place in positions))
    return np.broadcast_to(inside, shape)


def _type_for(largest: int) -> Any:
    return np.uint8 if largest <= np.iinfo(np.uint8).max else np.uint16
