"""The ResNet in the CLIP form, for volumes and slices (Radford et al., CLIP, ICML 2021, section 2.4).

What differs from the other ResNets: a stem of three 3x3x3 convolutions and an average pool; wherever a block halves
its map, in its body and in its shortcut, it is averaged over 2x2x2 cells and convolved with stride 1, so that nothing
is folded into coarser patterns (anti-aliasing); attention pooling at the end. As in the public code of Milecki et al.
(MIDL 2023) the stem's stride is 1 along z and 2 along y and x: a cell of the last map is 16 x 32 x 32 voxels.

Ours: where a side is odd the last cells of a map are averaged among themselves; CLIP drops them. Initial weights are
CLIP's: torch's own for convolutions, 1 and 0 for batch norms, but 0 for the last norm of a block's body, which starts
as its shortcut alone; drawn from torch's global generator. At 96x144x192 ResNet-50 costs 403 GFLOP forward.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, avg_pool3d, relu

from medcl.networks.attention_pool import AttentionPool

CLIP_BLOCKS: dict[str, tuple[int, int, int, int]] = {
    "clip-resnet14": (1, 1, 1, 1),
    "clip-resnet50": (3, 4, 6, 3),
}
"""Blocks of each stage."""

WIDTHS = (64, 128, 256, 512)
EXPANSION = 4
"""Channels that a block gives for one of its width."""

STEM_STRIDE = (1, 2, 2)
"""z, y, x: the slices of a clinical series are thick, so z is not halved by the stem's convolutions."""

HALVINGS = len(WIDTHS)
"""By the stem's pool and by each stage but the first."""


class ClipResnet(nn.Module):
    """Maps (B, C, D, H, W), or (B, C, H, W) when the size has one slice, to (B, features).

    Args:
        size: (z, y, x) of the images in voxels; other sizes do not fit the learned positions.
        blocks: of each stage.
        channels: channels of an image.
        features: length of the feature vector.
    """

    def __init__(self, size: tuple[int, int, int], *, blocks: Sequence[int], channels: int, features: int) -> None:
        super().__init__()
        kind = _Kind(flat=size[0] == 1)
        half, width = WIDTHS[0] // 2, WIDTHS[0]
        self.stem = nn.Sequential(
            kind.convolution(channels, half, 3, stride=kind.stem_stride), kind.norm(half), nn.ReLU(inplace=True),
            kind.convolution(half, half, 3), kind.norm(half), nn.ReLU(inplace=True),
            kind.convolution(half, width, 3), kind.norm(width), nn.ReLU(inplace=True),
            _Halve(),
        )  # fmt: skip
        stages: list[nn.Module] = []
        before = width
        for stage, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
            for block in range(count):
                stages.append(_Block(kind, before, width, halve=stage > 0 and block == 0))
                before = width * EXPANSION
        self.stages = nn.Sequential(*stages)
        self.pool = AttentionPool(math.prod(cells(size)), before, features)

    def forward(self, images: Tensor) -> Tensor:
        """Return one row of features an image."""
        return cast(Tensor, self.pool(self.stages(self.stem(images))))


def cells(size: tuple[int, int, int]) -> tuple[int, ...]:
    """Return the cells of the last map along the axes that the network sees: (z, y, x), or (y, x) of a slice."""
    strides = [step * 2**HALVINGS for step in STEM_STRIDE]
    found = tuple(-(-voxels // stride) for voxels, stride in zip(size, strides, strict=True))
    return found[1:] if size[0] == 1 else found


class _Kind:
    """The layers of the network for slices, or of the one for volumes."""

    def __init__(self, flat: bool) -> None:
        self.stem_stride = STEM_STRIDE[1:] if flat else STEM_STRIDE
        self.norm = nn.BatchNorm2d if flat else nn.BatchNorm3d
        self._convolution: Any = nn.Conv2d if flat else nn.Conv3d

    def convolution(self, before: int, after: int, kernel: int, stride: Any = 1) -> nn.Module:
        """Padded so that stride 1 keeps the map's sides; without bias, as a batch norm follows."""
        layer: nn.Module = self._convolution(before, after, kernel, stride=stride, padding=kernel // 2, bias=False)
        return layer


class _Halve(nn.Module):
    """The mean of each 2x2x2 cells, or 2x2; at the end of an odd side, of those that there are; a side of 1 stays."""

    def forward(self, maps: Tensor) -> Tensor:
        sides = maps.shape[2:]
        kernel = [min(2, side) for side in sides]  # torch's 3D pool refuses to hang over a side of 1
        pool: Any = avg_pool2d if len(sides) == 2 else avg_pool3d
        return cast(Tensor, pool(maps, kernel, ceil_mode=True))


class _Block(nn.Module):
    """A bottleneck: 1x1x1, 3x3x3, average pool where the map is halved, 1x1x1; added to the shortcut."""

    def __init__(self, kind: _Kind, before: int, width: int, halve: bool) -> None:
        super().__init__()
        after = width * EXPANSION
        last = kind.norm(after)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            kind.convolution(before, width, 1), kind.norm(width), nn.ReLU(inplace=True),
            kind.convolution(width, width, 3), kind.norm(width), nn.ReLU(inplace=True),
            _Halve() if halve else nn.Identity(),
            kind.convolution(width, after, 1), last,
        )  # fmt: skip
        same = before == after and not halve
        self.shortcut = nn.Sequential() if same else nn.Sequential(
            _Halve() if halve else nn.Identity(), kind.convolution(before, after, 1), kind.norm(after)
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return relu(self.body(maps) + self.shortcut(maps))
