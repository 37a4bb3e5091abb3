"""Intensities through a curve of their own for each sample: as if the image had another contrast, or were its negative.

The "non-linear transformation" of Zhou et al., Models Genesis (Medical Image Analysis 67, 2021): a cubic Bezier curve
whose ends are (0, 0) and (1, 1), or (0, 1) and (1, 0), and whose two points between are drawn. It rises, or falls,
everywhere, so that the order of intensities is kept or turned round; where it falls, the background becomes bright.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.some_samples import change_some

STEPS = 1024
"""Parts into which [0, 1] is cut; within one the curve is a straight line."""

CHUNK_VOXELS = 1 << 24
"""Voxels that are looked up at a time: places in the table take eight bytes each."""

STRAIGHT = torch.tensor([[0, 0], [1 / 3, 1 / 3], [2 / 3, 2 / 3], [1, 1]], dtype=torch.float64)
"""The four points of the curve that leaves intensities as they are."""


def through_curves(volumes: Tensor, curves: Tensor) -> Tensor:
    """Change volumes (M, 1, D, H, W) in place and return them; what leaves [0, 1] is first cut off there.

    Args:
        volumes: float32 or float64, meant to lie in [0, 1].
        curves: (M, 4, 2) float64 on the CPU: the points (intensity, new intensity) of each sample's Bezier curve, the
            first at 0, the last at 1, all within [0, 1]; `STRAIGHT` leaves a sample as it is.
    """
    bent = (curves != STRAIGHT).flatten(1).any(dim=1)
    change_some(volumes, _tables(curves, bent), bent, _looked_up)
    return volumes


def drawn_curves(uniform: NDArray[np.float64], probability: float) -> Tensor:
    """Return (M, 4, 2) curves, `STRAIGHT` for a sample that none happens to.

    Args:
        uniform: (M, 6) random numbers in [0, 1): whether, whether it falls, the two points between.
        probability: of a curve.
    """
    curves = np.zeros((len(uniform), 4, 2))
    curves[:, 1:3] = uniform[:, 2:].reshape(-1, 2, 2)
    curves[:, 3] = 1
    falls = uniform[:, 1] < 0.5
    curves[falls, :, 1] = 1 - curves[falls, :, 1]
    happens = uniform[:, 0] < probability
    return torch.from_numpy(np.where(happens[:, None, None], curves, STRAIGHT.numpy()))


def _tables(curves: Tensor, wanted: Tensor) -> Tensor:
    """(M, STEPS + 1): each wanted curve's height at 0, 1 / STEPS, ..., 1; the others' are 0."""
    along = np.linspace(0, 1, STEPS + 1)
    weights = np.stack([(1 - along) ** 3, 3 * along * (1 - along) ** 2, 3 * along**2 * (1 - along), along**3])
    tables = np.zeros((len(curves), STEPS + 1))
    for place in torch.nonzero(wanted).flatten().tolist():
        x, y = curves[place].numpy().T @ weights  # x rises, since its four points lie in [0, 1] and end at 0 and 1
        tables[place] = np.interp(along, x, y)
    return torch.from_numpy(tables)


def _looked_up(volumes: Tensor, tables: Tensor) -> Tensor:
    at_once = max(1, CHUNK_VOXELS // volumes[0].numel())
    for first in range(0, len(volumes), at_once):
        here = slice(first, first + at_once)
        steps = volumes[here].flatten(1).clamp(0, 1).mul_(STEPS)
        below = steps.long().clamp_(max=STEPS - 1)
        low, high = tables[here].gather(1, below), tables[here].gather(1, below + 1)
        volumes[here] = torch.lerp(low, high, steps.sub_(below)).view_as(volumes[here])
    return volumes
