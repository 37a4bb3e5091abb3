"""Image encoders by name: a volume in, one feature vector out.

The 3D ResNets are MONAI's with the stem of the public code of Milecki et al. (MIDL 2022): 7x7x7, stride 1
along z and 2 along y and x, then a 3x3x3 max-pool of stride 2; global average pool. At 96x144x192 ResNet-18
costs 160 GFLOP forward (a multiplication and an addition count as two). Shortcuts are convolutions (type
"B"); MONAI's type "A" would cut the gradient. Initial weights: Kaiming normal by fan-out for convolutions, 1
and 0 for batch norms (MONAI's own), drawn from torch's global generator.

An input of one slice (size z of 1) gets the 2D twin of the same network. Channels are kept last in memory, which
convolutions prefer on CPUs and GPUs alike.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from medcl.networks.clip_resnet import CLIP_BLOCKS, ClipResnet
from medcl.networks.conv_encoder import ConvEncoder
from medcl.networks.padding import pad_by_hand
from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput

Size = tuple[int, int, int]

RESNET_LAYERS: dict[str, tuple[str, tuple[int, int, int, int]]] = {
    "resnet10": ("basic", (1, 1, 1, 1)),
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
}
RESNET_WIDTHS = (64, 128, 256, 512)
STEM_STRIDE = (1, 2, 2)
"""z, y, x: the slices of a clinical series are thick, so z is not halved by the stem."""


class Encoder(nn.Module):
    """A network that maps images (B, C, D, H, W) to features (B, F).

    Attributes:
        features: F.
        size: the (z, y, x) in voxels that it was built for.
        flat: whether the images have one slice, which the network sees as (B, C, H, W).
    """

    def __init__(self, network: nn.Module, features: int, size: Size) -> None:
        super().__init__()
        self.network = pad_by_hand(network)
        self.features = features
        self.size = size
        self.flat = size[0] == 1
        self.layout = torch.channels_last if self.flat else torch.channels_last_3d
        network.to(memory_format=self.layout)  # type: ignore[call-overload]  # torch's stubs lack this form

    def forward(self, volumes: Tensor) -> Tensor:
        """Return one row of features an image."""
        images = volumes.squeeze(2) if self.flat else volumes
        return cast(Tensor, self.network(images.contiguous(memory_format=self.layout)))


def build_encoder(name: str, size: Size, channels: int = 1, token: Literal["mean", "cls"] = "mean") -> Encoder:
    """Return a freshly initialised encoder.

    Args:
        name: one of `NETWORKS`.
        size: (z, y, x) of the images in voxels; z of 1 gives the 2D twin.
        channels: channels of an image.
        token: of the `vit`, which output is the feature vector: the patches' mean or the class token.

    Raises:
        BadInput: the name is unknown, or the images are too small for the network.
    """
    if name not in NETWORKS:
        raise BadInput(f"--network {name}: unknown; medcl knows {', '.join(NETWORKS)}.")
    check_size(name, size)
    features = NETWORKS[name].features
    if name == "vit":
        from medcl.networks.vision_transformer import VisionTransformer

        network = VisionTransformer(size, channels=channels, token=token, width=features)
        return Encoder(network, features, size)
    if name == "conv3":
        return Encoder(ConvEncoder(size, channels=channels, features=features), features, size)
    if name in CLIP_BLOCKS:
        clip = ClipResnet(size, blocks=CLIP_BLOCKS[name], channels=channels, features=features)
        return Encoder(clip, features, size)
    return Encoder(_resnet(name, flat=size[0] == 1, channels=channels), features, size)


def check_size(name: str, size: Size) -> None:
    """Raise BadInput when images of `size` (z, y, x) cannot pass through the network `name`."""
    known = NETWORKS[name]
    shown = " ".join(str(n) for n in size)
    least = known.minimum if size[0] != 1 else (1, *known.minimum[1:])
    if any(n < m for n, m in zip(size, least, strict=True)):
        volume, flat = " ".join(str(m) for m in known.minimum), f"1 {known.minimum[1]} {known.minimum[2]}"
        raise BadInput(
            f"--size {shown} (z y x) is too small for --network {name}: it needs at least {volume}, or "
            f"{flat} for one slice. Preprocess again with a larger --size or a finer --spacing."
        )
    if any(n % known.multiple for n in size[1:]):
        raise BadInput(
            f"--size {shown} (z y x) does not divide into patches for --network {name}: y and x must be "
            f"multiples of {known.multiple}. Preprocess again with such a --size, or take a ResNet."
        )


def _resnet(name: str, flat: bool, channels: int) -> nn.Module:
    from monai.networks.nets.resnet import ResNet  # here: importing MONAI takes seconds

    block, layers = RESNET_LAYERS[name]
    stride = STEM_STRIDE[1:] if flat else STEM_STRIDE
    return cast(
        nn.Module,
        ResNet(
            block,
            list(layers),
            list(RESNET_WIDTHS),
            spatial_dims=2 if flat else 3,
            n_input_channels=channels,
            conv1_t_stride=cast(Any, stride),  # MONAI takes one a dimension and annotates fewer
            shortcut_type="B",
            bias_downsample=False,  # a batch norm follows
            feed_forward=False,
        ),
    )
