"""Convolutions that pad small images by hand where torch's own padding computes wrong gradients.

torch 2.13 on CPUs with AVX512-BF16 or AMX was seen to give wrong weight gradients (1e28 and more, from memory that was
never written) in bfloat16 when a padded image is small beside the kernel: 3x3x3 kernels on images two slices deep or
one voxel wide, 7x7x7 on four slices. The same convolutions of an image that was padded before are right, and cheap, as
the images are small. Tried, in both memory formats: kernels of 3 with strides 1 and 2 on sides from 1 to 9, the stem's
7x7x7 with stride (1, 2, 2) and 7x7 with stride 2 on sides from 1 to 24, which are what medcl's networks have. Kernels
of 4 with stride 2 were right on sides from 2 to 16 with torch's padding and by hand. Not healed: 7x7x7 with stride 2
along all axes on images 7 slices deep, which none of them has.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv3d, pad

SMALL = 2
"""An image is small when a side is below so many kernels; the faults seen were on sides up to 0.67 kernels."""


class _PaddedConv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        if not _needs_care(self, input):
            return super().forward(input)
        return conv2d(_padded(self, input), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class _PaddedConv3d(nn.Conv3d):
    def forward(self, input: Tensor) -> Tensor:
        if not _needs_care(self, input):
            return super().forward(input)
        return conv3d(_padded(self, input), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def pad_by_hand(network: nn.Module) -> nn.Module:
    """Make every zero-padded convolution of `network` pad small images itself under bfloat16 on the CPU; return it.

    Weights, names and, but for rounding, results stay the same; elsewhere nothing changes.
    """
    for module in network.modules():
        # the class is changed in place: a new module would draw weights and so move the random state
        if type(module) is nn.Conv2d and _pads_with_zeros(module):
            module.__class__ = _PaddedConv2d
        if type(module) is nn.Conv3d and _pads_with_zeros(module):
            module.__class__ = _PaddedConv3d
    return network


def _pads_with_zeros(conv: nn.Conv2d | nn.Conv3d) -> bool:
    return conv.padding_mode == "zeros" and not isinstance(conv.padding, str) and any(conv.padding)


def _needs_care(conv: nn.Conv2d | nn.Conv3d, image: Tensor) -> bool:
    if image.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    sides = image.shape[-len(conv.kernel_size) :]
    return any(side < SMALL * kernel for side, kernel in zip(sides, conv.kernel_size, strict=True))


def _padded(conv: nn.Conv2d | nn.Conv3d, image: Tensor) -> Tensor:
    widths = cast(tuple[int, ...], conv.padding)
    return pad(image, [width for width in reversed(widths) for _ in range(2)])
