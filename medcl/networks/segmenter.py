"""One ResNet encoder shared by U-Net decoders that differ (IDEAL, Basak et al., ICASSP 2023).

The two decoders see the same feature maps and differ in how they enlarge them: by transposed convolutions, or by
linear interpolation after a 1x1 convolution. Where they disagree, the paper's consistency loss has something to teach.
With one decoder this is a plain U-Net with a ResNet encoder (Ronneberger et al., MICCAI 2015).

A decoder's levels have 256, 128, 64, 32 and 16 channels (ours; the paper gives none). Each enlarges by the stride of
the encoder's map, cuts to the size of the map beside it, joins the two and convolves twice (MONAI's `UpSample` and
`TwoConv`: 3x3x3, batch norm, leaky ReLU). The last level has the image's size; a 1x1 convolution gives the logits.
Millions of weights of the transposed and the bilinear decoder: 8.5 and 7.3 for volumes (18.6 and 14.6 with resnet50),
3.1 and 2.5 for slices (7.0 and 5.3 with resnet50). Initial weights are torch's own (uniform by fan-in).

torch's transposed convolutions were compared in bfloat16 and fp32 on the CPU for which `padding.py` was written: right
for all small images tried, so only the padded convolutions are padded by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from medcl.networks.encoder import Encoder, Size, build_encoder
from medcl.networks.feature_maps import MAP_STRIDES, feature_maps, map_channels
from medcl.networks.padding import pad_by_hand
from medcl.study.errors import BadInput

DECODERS = {"transposed": "deconv", "bilinear": "nontrainable"}
"""The decoders by name, and what MONAI calls their way to enlarge."""

WIDTHS = (256, 128, 64, 32, 16)
LEAK = 0.01


class Segmenter(nn.Module):
    """Maps images (B, C, D, H, W) to logits (B, K, D, H, W), one tensor a decoder.

    Args:
        encoder: a ResNet; its weights are those of an exported encoder.
        classes: K, background included.
        decoders: names of `DECODERS`, each at most once.
        channels: of the encoder's maps.

    Attributes:
        encoder: as given.
        decoders: in the order of the names.
        classes: K.
    """

    def __init__(
        self, encoder: Encoder, classes: int, decoders: Sequence[str] = tuple(DECODERS), *, channels: Sequence[int]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.classes = classes
        self.decoders = nn.ModuleList(_Decoder(name, channels, classes, encoder.flat) for name in decoders)
        self.decoders.to(memory_format=encoder.layout)  # type: ignore[call-overload]  # torch's stubs lack this form
        pad_by_hand(self.decoders)

    def forward(self, volumes: Tensor) -> list[Tensor]:
        """Return each decoder's logits."""
        maps = feature_maps(self.encoder, volumes)
        if self.encoder.flat:
            maps = [each.squeeze(2) for each in maps]
        size = volumes.shape[-maps[0].ndim + 2 :]
        logits = [cast(Tensor, decoder(maps, size)) for decoder in self.decoders]
        return [each.unsqueeze(2) for each in logits] if self.encoder.flat else logits

    def probabilities(self, volumes: Tensor) -> Tensor:
        """Return the mean of the decoders' softmaxes, (B, K, D, H, W), in float32 or better."""
        logits = self(volumes)
        softmaxes = [(each if each.dtype == torch.float64 else each.float()).softmax(dim=1) for each in logits]
        return torch.stack(softmaxes).mean(dim=0)


def build_segmenter(
    network: str, size: Size, classes: int, decoders: Sequence[str] = tuple(DECODERS), channels: int = 1
) -> Segmenter:
    """Return a freshly initialised segmenter.

    Args:
        network: of the encoder, a ResNet of `NETWORKS`.
        size: (z, y, x) of the images in voxels; z of 1 gives 2D networks.
        classes: background included.
        decoders: names of `DECODERS`.
        channels: of an image.

    Raises:
        BadInput: the network is unknown or no ResNet, the images are too small, or a decoder is unknown or named twice.
    """
    if not decoders or set(decoders) - set(DECODERS) or len(set(decoders)) != len(decoders):
        raise BadInput(f"decoders {', '.join(decoders) or 'none'}: expected one or both of {', '.join(DECODERS)}.")
    if classes < 2:
        raise BadInput(f"a segmenter needs the background and one class or more; there are {classes} in all.")
    encoder = build_encoder(network, size, channels)  # first: it knows unknown names
    return Segmenter(encoder, classes, decoders, channels=map_channels(network))


class _Decoder(nn.Module):
    """From the encoder's maps (stem first) to logits of the image's size."""

    def __init__(self, name: str, channels: Sequence[int], classes: int, flat: bool) -> None:
        super().__init__()
        beside = [*channels[-2::-1], 0]  # stage 3, 2, 1, stem, and nothing beside the image's size
        below = [channels[-1], *WIDTHS[:-1]]
        factors = [_between(level) for level in reversed(range(len(MAP_STRIDES)))]
        self.levels = nn.ModuleList(
            _Level(name, before, skip, width, factor[1:] if flat else factor)
            for before, skip, width, factor in zip(below, beside, WIDTHS, factors, strict=True)
        )
        self.head = (nn.Conv2d if flat else nn.Conv3d)(WIDTHS[-1], classes, kernel_size=1)

    def forward(self, maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        enlarged = maps[-1]
        for level, beside in zip(self.levels, [*maps[-2::-1], None], strict=True):
            enlarged = level(enlarged, beside, size if beside is None else beside.shape[2:])
        return cast(Tensor, self.head(enlarged))


class _Level(nn.Module):
    """Enlarge, cut, join with the encoder's map, convolve twice."""

    def __init__(self, name: str, before: int, skip: int, width: int, factor: Sequence[int]) -> None:
        super().__init__()
        from monai.networks.blocks.upsample import UpSample  # here: importing MONAI takes seconds
        from monai.networks.nets.basic_unet import TwoConv

        dimensions = len(factor)
        self.enlarge = UpSample(
            dimensions, before, width, scale_factor=list(factor), mode=DECODERS[name], align_corners=False
        )
        leaky = ("leakyrelu", {"negative_slope": LEAK, "inplace": True})
        self.convolve = TwoConv(dimensions, width + skip, width, act=leaky, norm="batch", bias=False)

    def forward(self, below: Tensor, beside: Tensor | None, size: Sequence[int]) -> Tensor:
        enlarged = self.enlarge(below)
        # a map of n cells comes from 2n or 2n - 1, so that what was enlarged may be one too long; the cells' centres
        # are where they belong when the end is cut
        for axis, length in enumerate(size, start=2):
            enlarged = enlarged.narrow(axis, 0, length)
        return cast(Tensor, self.convolve(enlarged if beside is None else torch.cat([beside, enlarged], dim=1)))


def _between(level: int) -> tuple[int, int, int]:
    """How much finer (z, y, x) the map before `level` is; before the stem comes the image."""
    finer = MAP_STRIDES[level - 1] if level else (1, 1, 1)
    z, y, x = (coarse // fine for coarse, fine in zip(MAP_STRIDES[level], finer, strict=True))
    return (z, y, x)
