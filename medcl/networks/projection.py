"""Projection head: what the contrastive loss sees (public code of Milecki et al., MIDL 2022).

Linear 512 to 512, ReLU, linear 512 to 256, dropout 0.1 after both linear layers, rows scaled to length 1. The
features that are exported are those before this head. Initial weights are torch's own for linear layers
(uniform by fan-in). Other widths, and more layers, are an option.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
        hidden: width between the two linear layers; several widths for as many layers more, () for one linear layer.
        out: length of an embedding.
        dropout: share of entries dropped after each linear layer while training, in [0, 1).
    """

    def __init__(
        self, features: int, hidden: int | Sequence[int] = HIDDEN, out: int = OUT, dropout: float = DROPOUT
    ) -> None:
        super().__init__()
        self.features = features
        self.hidden = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        self.out = out
        self.dropout = dropout
        layers: list[nn.Module] = []
        for before, width in zip((features, *self.hidden), self.hidden, strict=False):
            layers += [nn.Linear(before, width), nn.Dropout(dropout), nn.ReLU()]
        last = nn.Linear((features, *self.hidden)[-1], out)
        self.layers = nn.Sequential(*layers, last, nn.Dropout(dropout))

    @property
    def shape(self) -> dict[str, Any]:
        """What builds it again, in plain types for a card: `Projection(**shape)`."""
        return {"features": self.features, "hidden": list(self.hidden), "out": self.out, "dropout": self.dropout}

    def forward(self, features: Tensor) -> Tensor:
        """Return one embedding a row."""
        embeddings = self.layers(features)
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        return normalize(embeddings, dim=1)
