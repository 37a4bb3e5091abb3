"""A small transformer that reads words (Vaswani et al., 2017; like the text encoder of Radford et al., ICML 2021).

Four layers of width 256 with four heads, norms before attention and perceptron, GELU, no dropout, learned positions.
As the texts are read whole and nothing is written, every word sees all others. Initial weights: normal with standard
deviation 0.02, cut at 2, for linear layers, words and positions; biases 0; norms 1 and 0; drawn from torch's global
generator.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

WIDTH = 256
LAYERS = 4
HEADS = 4
MLP_RATIO = 4
INITIAL_SPREAD = 0.02


class TextTransformer(nn.Module):
    """Maps numbers of words (B, L) with a mask (B, L), true where a word is, to features of each word (B, L, F).

    Args:
        words: how many numbers there are.
        longest: the largest L.

    Attributes:
        features: F.
        below: what is before the layers.
        layers: from first to last.
    """

    def __init__(self, words: int, longest: int) -> None:
        super().__init__()
        self.features = WIDTH
        self.words = nn.Embedding(words, WIDTH)
        self.positions = nn.Embedding(longest, WIDTH)
        # a list and not nn.TransformerEncoder, which copies one layer and so starts all with equal weights
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, MLP_RATIO * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self._initialise()

    @property
    def below(self) -> list[nn.Module]:
        """The embeddings."""
        return [self.words, self.positions]

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the features; those of padding mean nothing."""
        places = torch.arange(ids.shape[1], device=ids.device)
        read = self.words(ids) + self.positions(places)
        for layer in self.layers:
            read = layer(read, src_key_padding_mask=~mask)
        return cast(Tensor, self.norm(read))

    def _initialise(self) -> None:
        for name, weights in self.named_parameters():
            if "norm" in name:
                continue  # torch's own: 1 and 0
            if name.endswith("bias"):
                nn.init.zeros_(weights)
            else:
                nn.init.trunc_normal_(weights, std=INITIAL_SPREAD, a=-2 * INITIAL_SPREAD, b=2 * INITIAL_SPREAD)
