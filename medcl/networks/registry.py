"""The encoders that `--network` knows, by name. No torch: help, listings and docs read the same truth."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkDescription:
    """What a user needs to choose an encoder.

    Args:
        title: one line for listings.
        features: length of the feature vector of one image.
        minimum: smallest input (z, y, x) in voxels; an input of one slice needs only the last two.
        multiple: sizes y and x must be multiples of this.
        scales: whether it has feature maps at several scales, which segmentation and dense pretraining need.
    """

    title: str
    features: int
    minimum: tuple[int, int, int]
    multiple: int = 1
    scales: bool = True


RESNET_MINIMUM = (4, 16, 16)
"""Below this the stem and the pooling leave one cell before the last two stages, which then see padding."""

CONV3_MINIMUM = (4, 8, 8)
"""It pads to 16 voxels an axis; smaller images would be little but padding."""

NETWORKS: dict[str, NetworkDescription] = {
    "resnet10": NetworkDescription("3D ResNet-10, 14 million weights", 512, RESNET_MINIMUM),
    "resnet18": NetworkDescription("3D ResNet-18, 33 million weights (the kidney paper's)", 512, RESNET_MINIMUM),
    "resnet34": NetworkDescription("3D ResNet-34, 63 million weights", 512, RESNET_MINIMUM),
    "resnet50": NetworkDescription("3D ResNet-50, 46 million weights", 2048, RESNET_MINIMUM),
    "vit": NetworkDescription(
        "vision transformer, small (12 layers of 384), 23 million weights", 384, (4, 16, 16), 8, scales=False
    ),
    "conv3": NetworkDescription(
        "three convolutions and a linear layer (the clustering paper's), 1 million weights at 16 64 64",
        128,
        CONV3_MINIMUM,
        scales=False,
    ),
    "clip-resnet14": NetworkDescription(
        "3D ResNet-14 in the CLIP form, 29 million weights", 1024, RESNET_MINIMUM, scales=False
    ),
    "clip-resnet50": NetworkDescription(
        "3D ResNet-50 in the CLIP form (the prompts paper's), 61 million weights", 1024, RESNET_MINIMUM, scales=False
    ),
}

UNET = "unet"
"""Name of the 2D U-Net of translation (`networks/unet.py`), which segments slices and is no encoder of images."""

DEFAULT_NETWORK = "resnet18"
