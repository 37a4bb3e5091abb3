"""Sharper or softer images, one amount a sample: unsharp masking within the planes of slices.

What an image has more than its blurred copy is its fine detail; a part of that is added, or taken away. Across slices
nothing is changed: they are mostly thicker than pixels are wide, and what lies beside a slice is no detail of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.data.blur import blur
from medcl.data.some_samples import change_some

SIGMA = 1.0
"""Standard deviation in voxels of the blur whose difference is detail (ours; the methods that sharpen tell none)."""

RADIUS = 4
"""Voxels that the blur reaches: four standard deviations."""


def sharpen(volumes: Tensor, amounts: Tensor) -> Tensor:
    """Change volumes (M, 1, D, H, W) to x + a (x - blur(x)) in place and return them; what comes out may leave [0, 1].

    Args:
        volumes: float32 or float64.
        amounts: (M,) on the CPU: above 0 sharper, below 0 softer, at -1 blurred; 0 leaves a sample as it is.
    """
    change_some(volumes, amounts.view(-1, 1, 1, 1, 1), amounts != 0, _add_detail)
    return volumes


def _add_detail(volumes: Tensor, amounts: Tensor) -> Tensor:
    planes = volumes.transpose(1, 2)  # slices as channels: nothing passes from one to another
    soft = blur(planes, torch.full((len(volumes), 3), SIGMA), RADIUS).transpose(1, 2)
    return volumes.add_((volumes - soft).mul_(amounts))
