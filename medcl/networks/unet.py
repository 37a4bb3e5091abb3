"""The segmenter of contrastive translation: a 2D U-Net (Ronneberger et al., MICCAI 2015).

The paper (Zeng et al., 2023) has a "U-Net-like" network and gives no sizes; these are ours. Five levels of 32, 64, 128,
256 and 512 channels, two 3x3 convolutions each (MONAI's `TwoConv`), instance norm with weights, leaky ReLU of slope
0.01, halved by max-pools and doubled by transposed convolutions of 2x2. Where a side is odd, the last cell is pooled
alone and the doubled map's end is cut, so that slices of any size from 17 x 17 pixels pass. 7,762,498 weights with
two classes. Initial weights: Kaiming.

With deep supervision (Lee et al., AISTATS 2015) the coarser levels give logits as well, enlarged to the slice linearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from medcl.networks.encoder import Size
from medcl.networks.padding import pad_by_hand
from medcl.networks.slice_size import check_slices
from medcl.networks.translation_weights import kaiming_weights
from medcl.study.errors import BadInput

WIDTHS = (32, 64, 128, 256, 512)
LEAK = 0.01
LEAST = 17
"""Pixels along y and x: the deepest level needs two cells, as one alone has no spread to norm."""


class UNet(nn.Module):
    """Maps slices (B, 1, 1, H, W) in [0, 1] to logits (B, K, 1, H, W); it has the doors of a `Segmenter`.

    Args:
        size: (1, y, x) of the slices in pixels that it is for; others pass as well.
        classes: K, background included.
        widths: channels of the levels, the finest first.
        deep: how many coarser levels give logits too, from 0 to two less than the levels.

    Attributes:
        encoder: the way down; its `size` is as given.
        decoders: the one way up.
        classes: K.

    Raises:
        BadInput: the size is too small or no slice, there are too few classes, or more deep outputs than levels.
    """

    def __init__(self, size: Size, classes: int, widths: Sequence[int] = WIDTHS, deep: int = 0) -> None:
        super().__init__()
        check_slices("U-Net", (1, 1, *size), LEAST)
        if classes < 2:
            raise BadInput(f"a segmenter needs the background and one class or more; there are {classes} in all.")
        most = len(widths) - 2
        if not 0 <= deep <= most:
            raise BadInput(f"deep supervision of {deep} levels: a U-Net of {len(widths)} has 0 to {most} to supervise.")
        self.classes = classes
        self.encoder = _Down(size, widths)
        self.decoders = nn.ModuleList([_Up(widths, classes, deep)])
        kaiming_weights(self)
        pad_by_hand(self)

    def forward(self, volumes: Tensor) -> list[Tensor]:
        """Return the logits, and after them those of the supervised levels, the finest first.

        Raises:
            BadInput: the images are no single slices with one channel, or are too small.
        """
        up = cast(_Up, self.decoders[0])
        return [each.unsqueeze(2) for each in up(self.encoder(volumes))]

    def probabilities(self, volumes: Tensor) -> Tensor:
        """Return the softmax of the finest logits, (B, K, 1, H, W), in float32 or better."""
        logits = self(volumes)[0]
        return cast(Tensor, (logits if logits.dtype == torch.float64 else logits.float()).softmax(dim=1))


class _Down(nn.Module):
    """Maps of all levels, the finest first."""

    def __init__(self, size: Size, widths: Sequence[int]) -> None:
        super().__init__()
        self.size = size
        self.flat = True
        self.levels = nn.ModuleList(
            _two_convolutions(before, width) for before, width in zip((1, *widths[:-1]), widths, strict=True)
        )
        self.halve = nn.MaxPool2d(2, ceil_mode=True)

    def forward(self, volumes: Tensor) -> list[Tensor]:
        check_slices("U-Net", volumes.shape, LEAST)
        maps = [cast(Tensor, self.levels[0](volumes.squeeze(2)))]
        for level in self.levels[1:]:
            maps.append(level(self.halve(maps[-1])))
        return maps


class _Up(nn.Module):
    """From the maps of all levels to logits (B, K, H, W)."""

    def __init__(self, widths: Sequence[int], classes: int, deep: int) -> None:
        super().__init__()
        pairs = list(pairwise(widths[::-1]))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(below, width, 2, stride=2) for below, width in pairs)
        self.convolve = nn.ModuleList(_two_convolutions(2 * width, width) for _, width in pairs)
        self.heads = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in widths[: deep + 1])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        levels = [maps[-1]]  # the finest first
        for enlarge, convolve, beside in zip(self.enlarge, self.convolve, maps[-2::-1], strict=True):
            height, width = beside.shape[2:]
            enlarged = enlarge(levels[0])[..., :height, :width]
            levels.insert(0, convolve(torch.cat([beside, enlarged], dim=1)))
        size = levels[0].shape[2:]
        logits = [cast(Tensor, head(level)) for head, level in zip(self.heads, levels, strict=False)]
        return logits[:1] + [interpolate(each, size=size, mode="bilinear", align_corners=False) for each in logits[1:]]


def _two_convolutions(before: int, width: int) -> nn.Module:
    from monai.networks.nets.basic_unet import TwoConv  # here: importing MONAI takes seconds

    leaky = ("leakyrelu", {"negative_slope": LEAK, "inplace": True})
    norm = ("instance", {"affine": True})
    return cast(nn.Module, TwoConv(2, before, width, act=leaky, norm=norm, bias=False))
