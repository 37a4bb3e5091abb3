"""The small convolutional encoder of contrastive clustering (Ferrante et al., 2023).

Three convolutions (kernel 4, stride 2, padding 1; 32, 64 and 128 channels), each followed by GELU and batch norm (the
public code's), an average pool of 2, and a linear layer to 128 features. Every size is padded with
zeros, as much before as after an axis, to multiples of 16, which three strides and the pool halve without rest: 28x28
becomes 32x32. Where an odd number is missing, the larger half goes after. Initial weights are torch's own (uniform by
fan-in).

Weights: 230,688 for 28x28; those of the linear layer grow with the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.nn.functional import pad

WIDTHS = (32, 64, 128)
KERNEL, STRIDE, PADDING = 4, 2, 1
POOL = 2
MULTIPLE = STRIDE ** len(WIDTHS) * POOL
"""Voxels along an axis for which one cell is left after the pool."""


class ConvEncoder(nn.Module):
    """Maps (B, C, D, H, W), or (B, C, H, W) when the size has one slice, to (B, features).

    Args:
        size: (z, y, x) of the images in voxels; other sizes do not fit the linear layer.
        channels: channels of an image.
        features: length of the feature vector.
    """

    def __init__(self, size: tuple[int, int, int], *, channels: int, features: int) -> None:
        super().__init__()
        flat = size[0] == 1
        axes = margins(size)[1 if flat else 0 :]
        # torch's pad begins with the last axis
        self.margins = [voxels for before_and_after in reversed(axes) for voxels in before_and_after]
        convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if flat else (nn.Conv3d, nn.BatchNorm3d)
        layers: list[nn.Module] = []
        for before, width in zip((channels, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [convolution(before, width, KERNEL, STRIDE, PADDING), nn.GELU(), norm(width)]
        self.layers = nn.Sequential(*layers, nn.AvgPool2d(POOL) if flat else nn.AvgPool3d(POOL))
        self.linear = nn.Linear(WIDTHS[-1] * math.prod(cells(size)), features)

    def forward(self, images: Tensor) -> Tensor:
        """Return one row of features an image."""
        maps = self.layers(pad(images, self.margins))
        return cast(Tensor, self.linear(maps.flatten(1)))


def margins(size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the zeros before and after each axis (z, y, x) of images of `size`; none along z of a single slice."""
    missing = [-voxels % MULTIPLE for voxels in size]
    if size[0] == 1:
        missing[0] = 0
    return tuple((voxels // 2, voxels - voxels // 2) for voxels in missing)


def cells(size: Sequence[int]) -> tuple[int, ...]:
    """Return the cells of the pooled map along the axes that the network sees: (z, y, x), or (y, x) of a slice."""
    return tuple(-(-voxels // MULTIPLE) for voxels in (size[1:] if size[0] == 1 else size))
