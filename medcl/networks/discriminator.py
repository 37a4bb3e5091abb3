"""The discriminator of contrastive translation: a PatchGAN of single slices (Isola et al., CVPR 2017).

Five convolutions of 4x4, the first three followed by a halving: 64, 128, 256 and 512 channels and one score; leaky
ReLU of slope 0.2 between, and instance norm but for the first and the last. Each score judges one patch. Where strides
halve, that is the 70x70 patch which gave the network its name. The public code of Park et al. (ECCV 2020) halves by
blurs instead, by which each score sees 84x84 pixels, the outermost with little weight; that is the default. Biases that
a norm would take off again are left out: 2,761,793 weights. Initial weights: Xavier, gain 0.02.

Slices of any size from 24 x 24 pixels pass; what a patch has beyond their edge is zero, the middle grey.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from medcl.networks.blur_pool import BlurPool
from medcl.networks.padding import pad_by_hand
from medcl.networks.slice_size import check_slices
from medcl.networks.translation_weights import xavier_weights

FILTERS = 64
LEAK = 0.2
KERNEL = 4
HALVINGS = 3
LEAST = 24
"""Pixels along y and x for which one score is left."""


class Discriminator(nn.Module):
    """Maps slices (B, 1, 1, H, W) in [0, 1] to scores (B, 1, 1, h, w), about one for 8 x 8 pixels; 1 is real, 0 made.

    Args:
        filters: channels of the first convolution.
        anti_aliased: whether maps are halved by blurs instead of strides.
    """

    def __init__(self, filters: int = FILTERS, anti_aliased: bool = True) -> None:
        super().__init__()
        self.filters = filters
        self.anti_aliased = anti_aliased
        widths = [filters * 2**level for level in range(HALVINGS + 1)]
        layers: list[nn.Module] = []
        for level, (before, width) in enumerate(zip((1, *widths[:-1]), widths, strict=True)):
            halve = level < HALVINGS
            stride = 2 if halve and not anti_aliased else 1
            layers.append(nn.Conv2d(before, width, KERNEL, stride, padding=1, bias=level == 0))
            if level > 0:
                layers.append(nn.InstanceNorm2d(width))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
            if halve and anti_aliased:
                layers.append(BlurPool())
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, KERNEL, padding=1))
        xavier_weights(self)
        pad_by_hand(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores; they are not bounded.

        Raises:
            BadInput: the images are no single slices with one channel, or are too small.
        """
        check_slices("discriminator", images.shape, LEAST)
        return cast(Tensor, self.layers(2 * images.squeeze(2) - 1)).unsqueeze(2)
