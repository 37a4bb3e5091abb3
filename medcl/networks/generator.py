"""The generator of contrastive translation: a ResNet of single slices, anti-aliased (Zeng et al., 2023).

The architecture is that of Park et al. (ECCV 2020), after Johnson et al. (ECCV 2016): a 7x7 stem on the mirrored slice;
two convolutions of 3x3, each followed by a blurred halving; nine blocks of two 3x3 convolutions with mirrored edges,
added to what came in; two blurred doublings, each followed by a convolution of 3x3; 7x7 and tanh. Instance norm
and ReLU in between; 64, 128 and 256 channels. Biases that a norm would take off again are left out, those before a tap
are kept: 11,360,833 weights. Initial weights: Xavier, gain 0.02.

Slices of any size from 5 x 5 pixels pass. A side that does not halve twice becomes longer on its way back, and the end
is cut.

Intensities lie in [0, 1] outside; what lies in [-1, 1] stays inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from medcl.networks.blur_pool import BlurPool, BlurUpsample
from medcl.networks.padding import pad_by_hand
from medcl.networks.slice_size import check_slices
from medcl.networks.taps import BLOCKS, REFLECTED, TAPS
from medcl.networks.translation_weights import xavier_weights
from medcl.study.errors import BadInput

FILTERS = 64
LEAST = 5
"""Pixels along y and x: a block mirrors the edge of a map that is a quarter as large, which takes two cells."""


class Generator(nn.Module):
    """Translates slices (B, 1, 1, H, W) in [0, 1] to slices of the same shape in [0, 1].

    Args:
        filters: channels of the stem.
        blocks: in the middle, 1 or more.

    Attributes:
        filters, blocks: as given.
        names: of the taps that it has, in the order of depth.

    Raises:
        ValueError: there is no block.
    """

    def __init__(self, filters: int = FILTERS, blocks: int = BLOCKS) -> None:
        super().__init__()
        if blocks < 1:
            raise ValueError(f"a generator of {blocks} blocks has no middle; it needs one or more.")
        self.filters = filters
        self.blocks = blocks
        self.names = tuple(name for name in TAPS if not name.startswith("block") or int(name[5:]) <= blocks)
        self.stem = nn.Conv2d(1, filters, 2 * REFLECTED + 1)
        self.after_stem = _norm_relu(filters)
        self.down1 = nn.Conv2d(filters, 2 * filters, 3, padding=1)
        self.after_down1 = nn.Sequential(*_norm_relu(2 * filters), BlurPool())
        self.down2 = nn.Conv2d(2 * filters, 4 * filters, 3, padding=1)
        self.after_down2 = nn.Sequential(*_norm_relu(4 * filters), BlurPool())
        self.residuals = nn.ModuleList(_Block(4 * filters) for _ in range(blocks))
        self.up1 = nn.Sequential(
            nn.Conv2d(4 * filters, 2 * filters, 3, padding=1, bias=False), *_norm_relu(2 * filters)
        )
        self.up2 = nn.Sequential(nn.Conv2d(2 * filters, filters, 3, padding=1, bias=False), *_norm_relu(filters))
        self.last = nn.Sequential(nn.ReflectionPad2d(REFLECTED), nn.Conv2d(filters, 1, 2 * REFLECTED + 1))
        self.enlarge = BlurUpsample()
        xavier_weights(self)
        pad_by_hand(self)

    def forward(self, images: Tensor) -> Tensor:
        """Return the translated slices.

        Raises:
            BadInput: the images are no single slices with one channel, or are too small.
        """
        return self.translate(images, ())[0]

    def taps(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the maps at the taps, (B, C, h, w) each; nothing behind the deepest of them is computed.

        Args:
            images: (B, 1, 1, H, W) in [0, 1].
            names: of `TAPS`.

        Raises:
            BadInput: this generator has no such tap, or the images do not fit.
        """
        self.tap_channels(names)
        found: dict[str, Tensor] = {}
        for name, maps in self._encoder(images) if names else ():
            if name in names:
                found[name] = maps
            if len(found) == len(set(names)):
                break
        return {name: found[name] for name in names}

    def translate(self, images: Tensor, names: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the translated slices and the maps at the taps, from one pass: `forward` and `taps` together."""
        self.tap_channels(names)
        found: dict[str, Tensor] = {}
        for name, maps in self._encoder(images):
            if name in names:
                found[name] = maps
        return self._decoder(maps, images.shape[3:]).unsqueeze(2), {name: found[name] for name in names}

    def tap_channels(self, names: Sequence[str]) -> dict[str, int]:
        """Return the channels of the maps at the taps: what a patch projection is built from.

        Raises:
            BadInput: this generator has no such tap.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise BadInput(
                f"taps {', '.join(unknown)}: a generator of {self.blocks} blocks has none of this name; it has "
                f"{', '.join(self.names)}."
            )
        return {name: TAPS[name].channels * self.filters or 1 for name in names}

    def _encoder(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every tap's name and map in the order of depth, each computed when it is asked for."""
        check_slices("generator", images.shape, LEAST)
        maps = pad(2 * images.squeeze(2) - 1, (REFLECTED,) * 4, mode="reflect")
        yield "input", maps
        maps = self.stem(maps)
        yield "stem", maps
        maps = self.down1(self.after_stem(maps))
        yield "down1", maps
        maps = self.down2(self.after_down1(maps))
        yield "down2", maps
        maps = self.after_down2(maps)
        for number, block in enumerate(self.residuals, start=1):
            maps = block(maps)
            yield f"block{number}", maps

    def _decoder(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """From the deepest map to slices (B, 1, H, W) in [0, 1]."""
        halved = [-(-pixels // 2) for pixels in size]
        maps = self.up1(_cut(self.enlarge(maps), halved))
        maps = self.last(self.up2(_cut(self.enlarge(maps), size)))
        if maps.dtype in (torch.float16, torch.bfloat16):
            maps = maps.float()  # a slice has more grey values than half precision near 1
        return (maps.tanh() + 1) / 2


class _Block(nn.Module):
    """Two convolutions, added to what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            *_norm_relu(channels),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=False),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return maps + cast(Tensor, self.layers(maps))


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.InstanceNorm2d(channels), nn.ReLU(inplace=True))


def _up(before: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, channels, 3, padding=1, bias=False), *_norm_relu(channels))


def _cut(maps: Tensor, size: Sequence[int]) -> Tensor:
    return maps[..., : size[0], : size[1]]
