"""The dense projection head of IDEAL (Basak et al., ICASSP 2023): what the local contrastive loss sees.

A projection head of 1x1 convolutions in place of linear layers, so that every cell of a feature map is projected by
itself: C to C, ReLU, C to 128 (DenseCL's width, Wang et al., CVPR 2021), cells scaled to length 1. Initial weights are
torch's own for convolutions (uniform by fan-in).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

OUT = 128


class DenseHead(nn.Module):
    """Maps a feature map (B, C, D, H, W) to embeddings (B, out, D, H, W) of length 1 along the channels.

    The scaling to length 1 is done in float32 under mixed precision (float64 input stays float64).

    Args:
        channels: C.
        out: length of a cell's embedding.
    """

    def __init__(self, channels: int, out: int = OUT) -> None:
        super().__init__()
        self.channels = channels
        self.out = out
        self.layers = nn.Sequential(nn.Conv3d(channels, channels, 1), nn.ReLU(), nn.Conv3d(channels, out, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return one embedding a cell."""
        embeddings = self.layers(features)
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        return normalize(embeddings, dim=1)
