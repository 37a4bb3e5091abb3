"""Which cells of a tap's map are contrasted, and what lies there (Park et al., ECCV 2020).

Positions are numbers of cells, row by row. Query and key are looked up at the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medcl.networks.taps import TAPS

PATCHES = 256
"""Positions a tap and image."""


def draw_positions(
    name: str, size: Sequence[int], generators: Sequence[np.random.Generator], count: int = PATCHES
) -> Tensor:
    """Return positions in a tap's map, (B, P) int64 on the CPU, without replacement within an image.

    Args:
        name: of `TAPS`.
        size: (H, W) of the slices in pixels.
        generators: one an image, so that its positions do not depend on its batch.
        count: P; where a map has fewer cells, all of them in another order.
    """
    cells = TAPS[name].cells(size[0]) * TAPS[name].cells(size[1])
    drawn = [each.choice(cells, min(count, cells), replace=False) for each in generators]
    return torch.from_numpy(np.stack(drawn).astype(np.int64))


def labels_at(name: str, positions: Tensor, labels: Tensor) -> Tensor:
    """Return the label of the pixel that each cell is centred on, (B, P); of the mirrored one beyond the edge.

    Args:
        name: of `TAPS`.
        positions: (B, P) in that tap's map.
        labels: (B, 1, 1, H, W) of the slices.
    """
    height, width = labels.shape[3:]
    across = TAPS[name].cells(width)
    y, x = _pixels(name, positions // across, height), _pixels(name, positions % across, width)
    return labels.flatten(1).gather(1, y * width + x)


def _pixels(name: str, cells: Tensor, pixels: int) -> Tensor:
    """The pixel along an axis under each cell's centre."""
    tap = TAPS[name]
    place = (tap.stride * (cells - tap.margin)).abs()
    last = pixels - 1
    return last - (last - place).abs()
