"""Mean squared error of rebuilt images, image by image."""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.losses.unit import full_precision


def mean_squared_error(images: Tensor, rebuilt: Tensor) -> Tensor:
    """Return the mean over each image's voxels, (B,), in float32 or better; the unit is the squared intensity's.

    Args:
        images: (B, 1, D, H, W), as they were before any padding.
        rebuilt: of the same shape.

    Raises:
        ValueError: the shapes differ, which would be stretched over each other without a word.
    """
    if images.shape != rebuilt.shape:
        raise ValueError(f"images {tuple(images.shape)} and rebuilt {tuple(rebuilt.shape)} differ in shape.")
    with full_precision(images):
        first, second = (each if each.dtype == torch.float64 else each.float() for each in (images, rebuilt))
        return (first - second).square().flatten(1).mean(dim=1)
