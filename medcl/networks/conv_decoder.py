"""The decoder that mirrors the convolutional encoder, with room for a condition (Ferrante et al., 2023).

A linear layer to 128 channels on the encoder's pooled cells, each cell doubled along every axis (nearest, the mirror of
the average pool), three transposed convolutions (kernel 4, stride 2, padding 1; 64, 32 and 1 channels) with GELU and
batch norm between, and the margins cut off that the encoder pads. The last layer is linear: images lie in [0, 1], and
what is rebuilt may leave that range a little.

The condition, an image's soft assignment to clusters in the paper's second phase, is a channel of its own: a linear
layer maps it to one number for each cell of the smallest map, after the doubling, where the cells are more, and it goes
beside the 128 channels into the first transposed convolution (how it enters is ours, the paper says "adding layers").
This layer and its channel exist from the start, so that optimizer and checkpoint know them; without a condition the
channel is zero. Initial weights are torch's own (uniform by fan-in).

In bfloat16 these transposed convolutions were right on the CPU for which `padding.py` was written, on sides from 1 to
12, so nothing is padded by hand.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from medcl.networks.conv_encoder import KERNEL, PADDING, POOL, STRIDE, WIDTHS, cells, margins
from medcl.networks.encoder import Size


class ConvDecoder(nn.Module):
    """Maps features (B, F), and a condition, to images (B, 1, D, H, W).

    Args:
        size: (z, y, x) of the images in voxels; z of 1 gives the 2D twin.
        features: F, of any encoder.
        conditions: K, numbers of a condition.
    """

    def __init__(self, size: Size, features: int, conditions: int) -> None:
        super().__init__()
        self.size = size
        self.flat = size[0] == 1
        self.margins = margins(size)
        self.cells = cells(size)
        self.smallest = tuple(number * POOL for number in self.cells)
        self.linear = nn.Linear(features, WIDTHS[-1] * math.prod(self.cells))
        self.condition = nn.Linear(conditions, math.prod(self.smallest))
        transposed, norm = (nn.ConvTranspose2d, nn.BatchNorm2d) if self.flat else (nn.ConvTranspose3d, nn.BatchNorm3d)
        layers: list[nn.Module] = []
        for before, width in zip((WIDTHS[-1] + 1, *WIDTHS[-2::-1]), (*WIDTHS[-2::-1], 1), strict=True):
            layers += [transposed(before, width, KERNEL, STRIDE, PADDING), nn.GELU(), norm(width)]
        self.layers = nn.Sequential(*layers[:-2])  # nothing after the last
        self.layout = torch.channels_last if self.flat else torch.channels_last_3d
        self.layers.to(memory_format=self.layout)  # type: ignore[call-overload]  # torch's stubs lack this form

    def forward(self, h: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return one image a row.

        Args:
            h: (B, F).
            condition: (B, K); None leaves its channel zero.
        """
        pooled = self.linear(h).reshape(len(h), WIDTHS[-1], *self.cells)
        maps = interpolate(pooled, scale_factor=POOL, mode="nearest")
        channel = self._channel(maps, condition)
        images = self.layers(torch.cat([maps, channel], dim=1).contiguous(memory_format=self.layout))
        if self.flat:
            images = images.unsqueeze(2)
        for axis, ((before, _), voxels) in enumerate(zip(self.margins, self.size, strict=True), start=2):
            images = images.narrow(axis, before, voxels)
        return cast(Tensor, images)

    def _channel(self, maps: Tensor, condition: Tensor | None) -> Tensor:
        """The condition on the smallest map, (B, 1, ...)."""
        shape = (len(maps), 1, *self.smallest)
        if condition is None:
            return maps.new_zeros(shape)
        # the assignment comes in full precision also where the maps are not
        return cast(Tensor, self.condition(condition)).reshape(shape).to(maps.dtype)
