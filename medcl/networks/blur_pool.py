"""Halving and doubling of maps without aliasing (Zhang, ICML 2019).

A stride alone folds what is finer than two cells into coarser patterns, so that a shift of the image by one pixel
changes the map. Here a map is blurred with (1, 2, 1) / 4 along y and x and then every second cell is kept, the first
one first; and a doubled map is one where zeros are filled in and blurred with (1, 3, 3, 1) / 4, which is linear
interpolation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad

BINOMIAL = (1.0, 2.0, 1.0)


class BlurPool(nn.Module):
    """Maps (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2)): blurred, mirrored at the edges; sides of 2 or more.

    Cell i of the result is centred on cell 2i.
    """

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor(BINOMIAL)
        row = row / row.sum()
        # no weight, and the same in every run: it stays out of the checkpoint
        self.register_buffer("filter", row[:, None] * row[None], persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the halved maps."""
        channels = maps.shape[1]
        kernel = self.filter.to(maps.dtype).expand(channels, 1, -1, -1)
        return conv2d(pad(maps, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=channels)


class BlurUpsample(nn.Module):
    """Maps (B, C, H, W) to (B, C, 2 H, 2 W): linear between the cells, the outermost repeated at the edges."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the doubled maps."""
        return interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
