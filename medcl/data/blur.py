"""Gaussian blur of a batch with one width a sample and axis: a few shifted additions an axis.

The same as SciPy's `gaussian_filter` in mode "reflect" (the border's voxels are mirrored), with the kernel
cut at a radius that the caller fixes, so that a sample's result does not depend on the others in its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.data.to_device import to_device

NARROWEST = 1e-3
"""A standard deviation below this is none: the kernel is 1 in the middle and 0 elsewhere."""

SPATIAL = 3


def blur(volumes: Tensor, sigmas: Tensor, radius: int) -> Tensor:
    """Return volumes (M, C, D, H, W) blurred by `sigmas` (M, 3), standard deviations along z, y, x in voxels.

    Args:
        volumes: float32 or float64.
        sigmas: on any device; 0 leaves an axis as it is.
        radius: voxels to either side that the kernel reaches; on an axis shorter than that, the axis' length.
    """
    for axis in range(SPATIAL):
        length = volumes.shape[2 + axis]
        if length > 1:  # blurring one mirrored slice gives the slice
            weights = gaussian_weights(sigmas[:, axis], min(radius, length))
            volumes = _blur_axis(volumes, to_device(weights.to(volumes.dtype), volumes.device), 2 + axis)
    return volumes


def gaussian_weights(sigmas: Tensor, radius: int) -> Tensor:
    """Return (M, radius + 1) weights at distance 0, 1, ..., which sum to 1 over both sides."""
    distance = torch.arange(radius + 1, dtype=torch.float64)
    widths = sigmas.double().cpu().clamp_min(NARROWEST)[:, None]
    weights = torch.exp(-0.5 * (distance / widths) ** 2)
    return weights / (2 * weights.sum(dim=1, keepdim=True) - weights[:, :1])


def _blur_axis(volumes: Tensor, weights: Tensor, axis: int) -> Tensor:
    shape = [len(weights)] + [1] * (volumes.ndim - 1)
    length = volumes.shape[axis]
    blurred = volumes * weights[:, 0].view(shape)
    for shift in range(1, weights.shape[1]):
        weight = weights[:, shift].view(shape)
        inner = length - shift
        if inner:
            blurred.narrow(axis, shift, inner).addcmul_(volumes.narrow(axis, 0, inner), weight)
            blurred.narrow(axis, 0, inner).addcmul_(volumes.narrow(axis, shift, inner), weight)
        for border in (0, inner):
            mirrored = volumes.narrow(axis, border, shift).flip(axis)
            blurred.narrow(axis, border, shift).addcmul_(mirrored, weight)
    return blurred
