"""Attention pooling: one vector from a map of features (Radford et al., CLIP, ICML 2021, section 2.4).

One layer of multi-head attention whose only query is the mean of the map; it reads the map's cells and that mean, each
with a learned position added. So a small structure can fill the vector where a mean over all cells would dilute it.

Keys have no bias, which CLIP's have: the softmax over keys cancels it. Initial weights are CLIP's: normal with standard
deviation 1 / sqrt(C), C the map's channels, for the linear maps and the positions; biases 0.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

HEAD_WIDTH = 64
"""Channels of a head, as in CLIP."""


class AttentionPool(nn.Module):
    """Maps (B, C, ...), with as many cells as it was built for, to (B, features).

    Args:
        cells: of a map: the positions are learned for them.
        channels: C, a multiple of `HEAD_WIDTH`.
        features: length of the vector.
    """

    def __init__(self, cells: int, channels: int, features: int) -> None:
        super().__init__()
        self.heads = channels // HEAD_WIDTH
        self.positions = nn.Parameter(torch.empty(1 + cells, channels))
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels, bias=False)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, features)
        for name, weights in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weights)
            else:
                nn.init.normal_(weights, std=channels**-0.5)

    def forward(self, maps: Tensor) -> Tensor:
        """Return one row of features an image."""
        cells = maps.flatten(2).transpose(1, 2)
        tokens = torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1) + self.positions
        asked, found, read = self.query(tokens[:, :1]), self.key(tokens), self.value(tokens)
        pooled = scaled_dot_product_attention(self._by_head(asked), self._by_head(found), self._by_head(read))
        return cast(Tensor, self.out(pooled.transpose(1, 2).flatten(1)))

    def _by_head(self, tokens: Tensor) -> Tensor:
        """(B, tokens, C) as (B, heads, tokens, channels of a head)."""
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)
