"""Three planes of a prepared volume side by side, at one scale in mm, with the region outlined.

The volumes are RAS+; planes are drawn as radiologists hang them: the patient's right on the left of the axial and the
coronal plane, front on the left of the sagittal one, head and front up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.geometry import Triple

LONGEST_SIDE = 92
"""Pixels of the longest of the volume's three edges in mm."""

BRIGHTEST = 0.995
"""Share of the voxels above 0 that lie below what is drawn white."""

GREYS = 32
"""Levels from black to white: enough for an overview, and half the bytes of 256."""

PLANES = ("axial", "coronal", "sagittal")
_GAP = 3
_WHITE = 255
_DARKEST = 1e-6


def montage(
    volume: NDArray[np.float32],
    spacing: Sequence[float],
    centre: Triple,
    white: float,
    region: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Axial, coronal and sagittal plane, from left to right on white paper.

    Args:
        volume: (Z, Y, X) in [0, 1].
        spacing: mm along z, y, x.
        centre: the voxel that all three planes run through, z, y, x.
        white: the intensity drawn white.
        region: (Z, Y, X), what is outlined; None outlines nothing.

    Returns:
        Greys (height, width).
    """
    pixel = max(n * mm for n, mm in zip(volume.shape, spacing, strict=True)) / LONGEST_SIDE
    tiles = []
    for axis in range(3):
        place = (slice(None),) * axis + (centre[axis],)
        down, across = (_pixels(volume.shape[k], spacing[k], pixel) for k in range(3) if k != axis)
        plane = volume[place][::-1, ::-1]
        tile = _greys(resized(plane, down, across), white)
        if region is not None:
            _outline(tile, _nearest(region[place][::-1, ::-1], down, across))
        tiles.append(tile)
    return _side_by_side(tiles)


def _pixels(voxels: int, mm: float, pixel: float) -> int:
    return max(1, round(voxels * mm / pixel))


def resized(plane: NDArray[np.float32], down: int, across: int) -> NDArray[np.float32]:
    """The plane in (down, across) pixels, each the mean of the voxels under it."""
    means = _weights(plane.shape[0], down) @ plane @ _weights(plane.shape[1], across).T
    return np.asarray(means, dtype=np.float32)


def _weights(voxels: int, pixels: int) -> NDArray[np.float32]:
    """(pixels, voxels), the share that each voxel has in each pixel."""
    edges = np.linspace(0, voxels, pixels + 1)
    starts = np.arange(voxels)
    shared = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    weights: NDArray[np.float32] = (np.clip(shared, 0, None) * (pixels / voxels)).astype(np.float32)
    return weights


def _greys(plane: NDArray[np.float32], white: float) -> NDArray[np.uint8]:
    levels = np.rint(np.clip(plane / max(white, _DARKEST), 0, 1) * (GREYS - 1))
    greys: NDArray[np.uint8] = np.rint(levels * (_WHITE / (GREYS - 1))).astype(np.uint8)
    return greys


def _nearest(plane: NDArray[np.bool_], down: int, across: int) -> NDArray[np.bool_]:
    rows = ((np.arange(down) + 0.5) * plane.shape[0] / down).astype(int)
    columns = ((np.arange(across) + 0.5) * plane.shape[1] / across).astype(int)
    return plane[np.ix_(rows, columns)]


def _outline(tile: NDArray[np.uint8], inside: NDArray[np.bool_]) -> None:
    """A white line within the region's edge and a black one around it: seen on every grey, and in print."""
    tile[inside & ~_eroded(inside)] = _WHITE
    tile[~inside & ~_eroded(~inside)] = 0


def _eroded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels whose four neighbours are inside too; beyond the picture it goes on as at its edge."""
    wide = np.pad(inside, 1, mode="edge")
    return inside & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]


def _side_by_side(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    width = sum(tile.shape[1] for tile in tiles) + _GAP * (len(tiles) - 1)
    paper = np.full((max(tile.shape[0] for tile in tiles), width), _WHITE, np.uint8)
    left = 0
    for tile in tiles:
        paper[: tile.shape[0], left : left + tile.shape[1]] = tile
        left += tile.shape[1] + _GAP
    return paper
