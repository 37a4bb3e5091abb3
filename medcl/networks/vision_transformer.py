"""A small vision transformer for volumes and slices (Dosovitskiy et al., ICLR 2021), the size of DeiT-S.

Built from torch's own encoder layers: MONAI's ViT computes the same but needs the package einops, which
nothing else here does. Patches are at most 16 voxels wide and divide the image exactly, so that no border is
dropped. Learned positions. Initial weights: normal with standard deviation 0.02, cut at 2, for linear layers,
positions and class token; biases 0; drawn from torch's global generator.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

LAYERS = 12
HEADS = 6
MLP_RATIO = 4
INITIAL_SPREAD = 0.02
IN_PLANE_PATCHES = (16, 8)
THROUGH_PLANE_PATCHES = (16, 8, 4, 2, 1)


class VisionTransformer(nn.Module):
    """Maps (B, C, D, H, W), or (B, C, H, W) when the size has one slice, to (B, width).

    Args:
        size: (z, y, x) in voxels; y and x multiples of 8 and at least 16.
        channels: channels of an image.
        token: "mean" of the patches' outputs, or the "cls" token's.
        width: length of a token and of the features.
    """

    def __init__(self, size: tuple[int, int, int], *, channels: int, token: Literal["mean", "cls"], width: int) -> None:
        super().__init__()
        flat = size[0] == 1
        patch, extent = patch_of(size)[1 if flat else 0 :], size[1 if flat else 0 :]
        convolution = nn.Conv2d if flat else nn.Conv3d
        self.patches = convolution(channels, width, kernel_size=patch, stride=patch)  # type: ignore[arg-type]
        cells = 1
        for n, p in zip(extent, patch, strict=True):
            cells *= n // p
        self.positions = nn.Parameter(torch.empty(1, cells, width))
        self.class_token = nn.Parameter(torch.empty(1, 1, width)) if token == "cls" else None
        # a list and not nn.TransformerEncoder, which copies one layer and so starts all with equal weights
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                HEADS,
                MLP_RATIO * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(width)
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """Return one row of features an image."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        if self.class_token is not None:
            tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        return cast(Tensor, tokens[:, 0] if self.class_token is not None else tokens.mean(dim=1))

    def _initialise(self) -> None:
        for name, weights in self.named_parameters():
            if "norm" in name:
                continue  # torch's own: 1 and 0
            if name.endswith("bias"):
                nn.init.zeros_(weights)
            elif not name.startswith("patches"):  # torch's own for convolutions, which knows the patch's size
                nn.init.trunc_normal_(weights, std=INITIAL_SPREAD, a=-2 * INITIAL_SPREAD, b=2 * INITIAL_SPREAD)


def patch_of(size: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the patch (z, y, x): the largest that divides `size`, with at least two across y and x."""
    in_plane = [next(p for p in IN_PLANE_PATCHES if n % p == 0 and n // p >= 2) for n in size[1:]]
    through = next(p for p in THROUGH_PLANE_PATCHES if size[0] % p == 0)
    return (through, in_plane[0], in_plane[1])
