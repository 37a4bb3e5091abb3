"""The heads that map patches of the generator's taps to embeddings, F of Park et al. (ECCV 2020).

One head a tap: linear to 256, ReLU, linear 256 to 256, length 1 (the public code; Zeng et al., 2023, write "two hidden
layers"). They are built from the generator's channels before the first slice is seen, so that optimizer and checkpoint
know them; the public code builds them in its first step. Initial weights: Xavier, gain 0.02.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from medcl.networks.translation_weights import xavier_weights

WIDTH = 256


class PatchProjection(nn.Module):
    """Maps a generator's maps, at given positions, to embeddings (B, P, width) of length 1, one tensor a tap.

    The scaling to length 1 is done in float32 under mixed precision (float64 input stays float64).

    Args:
        channels: of the maps, by the taps' names: `Generator.tap_channels`.
        width: length of an embedding, and of what lies between the two layers.
    """

    def __init__(self, channels: Mapping[str, int], width: int = WIDTH) -> None:
        super().__init__()
        self.channels = dict(channels)
        self.width = width
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(number, width), nn.ReLU(), nn.Linear(width, width))
                for name, number in channels.items()
            }
        )
        xavier_weights(self)

    def forward(self, taps: Mapping[str, Tensor], positions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the embeddings of every tap that is given.

        Args:
            taps: maps (B, C, h, w) by name: `Generator.taps`.
            positions: (B, P) for each of them, cells counted row by row: `draw_positions`.
        """
        return {name: self._embed(name, maps, positions[name]) for name, maps in taps.items()}

    def _embed(self, name: str, maps: Tensor, positions: Tensor) -> Tensor:
        where = positions.to(maps.device)[:, None].expand(-1, maps.shape[1], -1)
        patches = maps.flatten(2).gather(2, where).transpose(1, 2)
        embeddings = cast(Tensor, self.heads[name](patches))
        if embeddings.dtype in (torch.float16, torch.bfloat16):
            embeddings = embeddings.float()
        return normalize(embeddings, dim=2)
