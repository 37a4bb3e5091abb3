"""The maps of features inside a ResNet encoder: what dense heads and decoders see.

The encoder itself is not changed: the maps come from its own parts, so that weights of any exported encoder fit, and
whatever trains through the maps trains the encoder that is exported.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor

from medcl.networks.encoder import RESNET_LAYERS, RESNET_WIDTHS, STEM_STRIDE, Encoder
from medcl.study.errors import BadInput

Strides = tuple[int, int, int]

EXPANSION = {"basic": 1, "bottleneck": 4}
"""Channels that a block of each kind gives for one of its width."""

MAP_STRIDES: tuple[Strides, ...] = (
    STEM_STRIDE,
    *(cast(Strides, tuple(step * 2**stage for step in STEM_STRIDE)) for stage in range(1, 5)),
)
"""Voxels (z, y, x) from cell to cell of each map: the stem's, then the stages'. Cell i of an axis is centred on voxel
i * stride, since all kernels are odd and padded by half; a map has ceil(voxels / stride) cells."""


def feature_maps(encoder: Encoder, volumes: Tensor) -> list[Tensor]:
    """Return the maps of stem (before the max-pool), stage 1, 2, 3 and 4.

    Args:
        encoder: a ResNet.
        volumes: (B, C, D, H, W).

    Returns:
        (B, C_i, D_i, H_i, W_i) each; D_i is 1 where the encoder is for single slices.

    Raises:
        BadInput: the encoder is no ResNet.
    """
    network = cast(Any, encoder.network)
    if not hasattr(network, "layer4"):
        raise BadInput(_refusal("This encoder"))
    images = volumes.squeeze(2) if encoder.flat else volumes
    stem = network.act(network.bn1(network.conv1(images.contiguous(memory_format=encoder.layout))))
    maps = [stem]
    below = network.maxpool(stem)
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        below = stage(below)
        maps.append(below)
    return [each.unsqueeze(2) for each in maps] if encoder.flat else maps


def map_channels(name: str) -> tuple[int, ...]:
    """Return the channels of the maps of the network `name`: of stem, stage 1, 2, 3 and 4.

    Raises:
        BadInput: it is no ResNet.
    """
    if name not in RESNET_LAYERS:
        raise BadInput(_refusal(f"--network {name}"))
    expansion = EXPANSION[RESNET_LAYERS[name][0]]
    return (RESNET_WIDTHS[0], *(width * expansion for width in RESNET_WIDTHS))


def _refusal(encoder: str) -> str:
    return (
        f"{encoder} has no feature maps at several scales, which segmentation and dense pretraining need; "
        f"take one of {', '.join(RESNET_LAYERS)}."
    )
