"""Rotation and scaling of a batch about the volumes' centres, in millimetres, and sampling where a map points.

Voxels of clinical series are seldom cubes: a rotation of the array would shear the patient. So a voxel's
offset from the centre is taken to millimetres by the spacing, rotated and scaled there, and taken back.
Samples between voxels are interpolated linearly; outside of the volume everything is 0, the background after
preprocessing. A volume of one slice is only turned and scaled within its plane.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from medcl.data.elastic import displace
from medcl.data.to_device import to_device

CHUNK_VOXELS = 1 << 24
"""Voxels that are sampled at a time: the grid of sampling points takes three numbers for each."""


def warp(volumes: Tensor, matrices: Tensor, spacing: Tensor) -> Tensor:
    """Return volumes (M, C, D, H, W) under each one's 3x3 matrix, same shape.

    Args:
        volumes: float32 or float64.
        matrices: (M, 3, 3), acting on offsets (x, y, z) in mm from the volume's centre: content at p moves to
            A p.
        spacing: (M, 3) of the voxels, (z, y, x) in mm.
    """
    theta = sampling_matrices(matrices, spacing, (volumes.shape[2], volumes.shape[3], volumes.shape[4]))
    theta = torch.cat([theta, torch.zeros(len(theta), 3, 1, dtype=theta.dtype)], dim=2)
    return resample(volumes, theta)[0]


def resample(
    volumes: Tensor, theta: Tensor, labels: Tensor | None = None, points: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return volumes (M, C, D, H, W), and their labels, where each one's map finds them; same shapes.

    Args:
        volumes: float32 or float64, interpolated linearly.
        theta: (M, 3, 4) on the CPU, from a point (x, y, z, 1) of the output to the input, in torch's units of half
            the volume's width.
        labels: whole numbers, of which the nearest is taken, 0 outside of the volume; None without.
        points: (M, 2, P, P) control points of each one's elastic field (`data/elastic.py`), by which places are moved
            once more, along the input's y and x; None leaves them where the maps point.
    """
    theta = to_device(theta.to(volumes.dtype), volumes.device)
    at_once = max(1, CHUNK_VOXELS // volumes[0].numel())
    warped = torch.empty_like(volumes, memory_format=torch.contiguous_format)
    warped_labels = None if labels is None else torch.empty_like(labels, memory_format=torch.contiguous_format)
    for first in range(0, len(volumes), at_once):
        here = slice(first, first + at_once)
        part = volumes[here]
        grid = affine_grid(theta[here], list(part.shape), align_corners=False)
        if points is not None:
            grid = displace(grid, points[here])
        warped[here] = grid_sample(part, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        if labels is not None and warped_labels is not None:
            warped_labels[here] = _nearest(labels[here], grid)
    return warped, warped_labels


def _nearest(labels: Tensor, grid: Tensor) -> Tensor:
    """Labels (M, C, D, H, W) at the grid's points, in their own type."""
    numbers = labels.to(grid.dtype)  # exact for labels below 2^24
    if labels.shape[2] == 1:  # one slice is never left: the sampler of planes takes a fifth of the time
        found = grid_sample(
            numbers[:, :, 0], grid[:, 0, :, :, :2], mode="nearest", padding_mode="zeros", align_corners=False
        )
        return found[:, :, None].to(labels.dtype)
    found = grid_sample(numbers, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return found.to(labels.dtype)


def sampling_matrices(matrices: Tensor, spacing: Tensor, size: tuple[int, int, int]) -> Tensor:
    """Return (M, 3, 3) from an output offset to the input offset, in torch's units of half the volume's width.

    Args:
        matrices: (M, 3, 3) in mm, (x, y, z).
        spacing: (M, 3) of the voxels, (z, y, x) in mm.
        size: (z, y, x) in voxels.
    """
    half_width = spacing.double().flip(1) * torch.tensor(size[::-1], dtype=torch.float64) / 2  # mm, (x, y, z)
    backward = torch.linalg.inv(matrices.double())
    sampling: Tensor = backward * half_width[:, None, :] / half_width[:, :, None]
    return sampling


def rotation_and_scale(degrees: Tensor, scales: Tensor, flat: bool) -> Tensor:
    """Return (M, 3, 3): scaling along x, y, z, then rotation about x, then y, then z.

    Args:
        degrees: (M, 3) about x, y, z.
        scales: (M, 3) along x, y, z; above 1 enlarges.
        flat: leave out what would move content out of the x-y plane.
    """
    radians = torch.deg2rad(degrees.double())
    scales = scales.double()
    if flat:
        radians = radians * torch.tensor([0.0, 0.0, 1.0])
        scales = torch.cat([scales[:, :2], torch.ones_like(scales[:, 2:])], dim=1)
    about_x, about_y, about_z = (_rotation(radians[:, axis], axis) for axis in range(3))
    return about_z @ about_y @ about_x @ torch.diag_embed(scales)


def _rotation(radians: Tensor, axis: int) -> Tensor:
    """(M, 3, 3) right-handed rotations about axis 0 (x), 1 (y) or 2 (z)."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrices = torch.eye(3, dtype=radians.dtype).repeat(len(radians), 1, 1)
    matrices[:, first, first] = matrices[:, second, second] = torch.cos(radians)
    matrices[:, second, first] = torch.sin(radians)
    matrices[:, first, second] = -torch.sin(radians)
    return matrices
