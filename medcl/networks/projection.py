"""Projection head: what the contrastive loss sees (public code of Milecki et al., MIDL 2022).

Linear 512 to 512, ReLU, linear 512 to 256, dropout 0.1 after both linear layers, rows scaled to length 1. The
features that are exported are those before this head. Initial weights are torch's own for linear layers
(uniform by fan-in).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

HIDDEN = 512
OUT = 256
DROPOUT = 0.1


class Projection(nn.Module):
    """Maps features (B, F) to embeddings (B, out) of length 1.

    The scaling to length 1 is done in float32 under mixed precision (float64 input stays float64).

    Args:
        features: F.
        hidden: width between the two linear layers.
        out: length of an embedding.
        dropout: share of entries dropped after each linear layer while training, in [0, 1).
    """

    def __init__(self, features: int, hidden: int = HIDDEN, out: int = OUT, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.out = out
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.Dropout(dropout),
            nn.ReLU(),
            nn.Linear(hidden, out),
            nn.Dropout(dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return one embedding a row."""
        embeddings = self.layers(features)
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        return normalize(embeddings, dim=1)
