"""Which cells of two views of an image show the same place.

`feature_matches` is the way of DenseCL (Wang et al., CVPR 2021) and IDEAL (Basak et al., ICASSP 2023): the most alike
cell of the other view by the cosine of backbone features. `geometric_matches` is ours: the cell that lies there by the
known transforms of the two views. The same index under different transforms is never taken for the same place.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medcl.losses.unit import full_precision, unit_rows

EDGE = 1e-6
"""Room for rounding at a view's edge, in units of half its width."""


def feature_matches(features: Tensor, others: Tensor) -> Tensor:
    """Return for each cell of one view the most alike cell of the other, (B, n) numbers; without gradient.

    Args:
        features: (B, C, ...) of one view, n cells an image.
        others: (B, C, ...) of the other view.
    """
    with torch.no_grad(), full_precision(features):
        mine, theirs = (unit_rows(each.flatten(2).transpose(1, 2)) for each in (features, others))
        return (mine @ theirs.transpose(1, 2)).argmax(dim=2)


def geometric_matches(
    views: Tensor, others: Tensor, cells: Sequence[int], size: Sequence[int], stride: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return for each cell of one view the cell of the other at the same place, (B, n), and whether there is one.

    There is one where the cell's centre lies in both views and in the stored image, and the nearest centre of the
    other view is at most half a cell away along each axis.

    Args:
        views: (B, 3, 4) from a point of the view to the stored image, in torch's normalised coordinates (x, y, z) of
            `affine_grid(align_corners=False)`.
        others: (B, 3, 4) of the other view.
        cells: (z, y, x) of the grid.
        size: (z, y, x) of a view in voxels.
        stride: (z, y, x) voxels from cell to cell; cell i is centred on voxel i * stride.
    """
    extent, step = (torch.tensor(each, dtype=torch.float64).flip(0) for each in (tuple(size), tuple(stride)))
    count = torch.tensor(tuple(cells), dtype=torch.float64).flip(0)
    axes = [torch.arange(n, dtype=torch.float64) for n in cells]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3).flip(1)  # (n, 3) of x, y, z
    points = (2 * index * step + 1) / extent - 1
    stored = _mapped(views.double().cpu(), points.expand(len(views), -1, -1))
    there = _mapped(_inverse(others.double().cpu()), stored)
    nearest = ((there + 1) * extent / 2 - 0.5) / step  # in cells of the other view
    number = nearest.round()
    # along an axis of one cell everything is in that cell: it sees all of the view
    near = (number >= 0) & (number < count) | (count == 1)
    inside = ((stored.abs() <= 1 + EDGE) & (there.abs() <= 1 + EDGE) & near).all(dim=2)
    z, y, x = number.clamp_min(0).minimum(count - 1).long().flip(2).unbind(dim=2)
    return (z * cells[1] + y) * cells[2] + x, inside


def _mapped(theta: Tensor, points: Tensor) -> Tensor:
    return points @ theta[:, :, :3].transpose(1, 2) + theta[:, :, 3][:, None]


def _inverse(theta: Tensor) -> Tensor:
    backward = torch.linalg.inv(theta[:, :, :3])
    return torch.cat([backward, -backward @ theta[:, :, 3:]], dim=2)
