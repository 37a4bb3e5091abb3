"""Elastic deformation: a smooth field of displacements within the planes of slices, from a coarse grid of points.

Each image has a grid of control points that are moved along y and x; between them the displacement is a uniform cubic
B-spline (Rueckert et al., IEEE Transactions on Medical Imaging 18, 1999), which is never larger than that of the
points. All slices of a volume are moved alike, so that structures stay connected across slices however thick they are.
Nothing folds while points are moved by less than 0.48 of their distance (Choi and Lee, Graphical Models 62, 2000):
0.12 of an image's side with the grid of here, 23 voxels of 192.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.data.to_device import to_device

POINTS = 7
"""Control points along y and along x: four spaces over the image and one point beyond each of its borders, which the
spline needs."""

REACH = 4
"""Control points that a cubic spline depends on at any place."""


def displacements(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (M, 2, H, W): how far from each voxel, along y and x in voxels, the image is read.

    Args:
        points: (M, 2, POINTS, POINTS) float32 or float64 displacements of the control points along y and x, in voxels.
        size: (H, W) of the images.
    """
    rows, columns = (to_device(_spline(length).to(points.dtype), points.device) for length in size)
    # sums of products one after the other: what a sample gets does not depend on its batch, as in a matrix product
    by_row = torch.zeros(*points.shape[:2], size[0], POINTS, dtype=points.dtype, device=points.device)
    field = torch.zeros(*points.shape[:2], *size, dtype=points.dtype, device=points.device)
    for number in range(POINTS):
        by_row.addcmul_(points[:, :, number, None, :], rows[:, number, None])
    for number in range(POINTS):
        field.addcmul_(by_row[..., number, None], columns[:, number])
    return field


def displace(grid: Tensor, points: Tensor) -> Tensor:
    """Move the places of a sampling grid (M, D, H, W, 3) in place and return it.

    Args:
        grid: (x, y, z) where each voxel is read, in torch's units of half the volume's width.
        points: (M, 2, POINTS, POINTS) as for `displacements`, on any device; 0 leaves a sample's places as they are.
    """
    height, width = grid.shape[2:4]
    field = displacements(to_device(points.to(grid.dtype), grid.device), (height, width))
    grid[..., 0] += (field[:, 1] * (2 / width))[:, None]
    grid[..., 1] += (field[:, 0] * (2 / height))[:, None]
    return grid


def _spline(length: int) -> Tensor:
    """(length, POINTS) float64: how much each control point counts at each voxel's centre; rows sum to 1."""
    place = (torch.arange(length, dtype=torch.float64) + 0.5) / length * (POINTS - REACH + 1)
    first = place.long().clamp_(max=POINTS - REACH)
    t = place - first
    parts = torch.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=1) / 6
    weights = torch.zeros(length, POINTS, dtype=torch.float64)
    return weights.scatter_(1, first[:, None] + torch.arange(REACH), parts)
