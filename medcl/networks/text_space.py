"""The text side of the space that images and prompts share: a text encoder and a linear projection.

As in CLIP (Radford et al., ICML 2021) and its medical kin (Milecki et al., MEDIMP, MIDL 2023) each side's features are
projected linearly and scaled to length 1, so that an image's and a prompt's embedding can be compared by their cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from medcl.networks.projection import Projection
from medcl.networks.text_encoder import TextEncoder

AT_ONCE = 64
"""Prompts at a time where no gradient is wanted."""


class TextSpace(nn.Module):
    """Maps tokens of texts to embeddings (B, width) of length 1.

    A frozen text encoder is no part of the module's state: it can be built again, and so neither stands in checkpoints
    nor in what is exported.

    Args:
        encoder: of the texts.
        width: of the shared space.
    """

    def __init__(self, encoder: TextEncoder, width: int) -> None:
        super().__init__()
        self.projection = Projection(encoder.features, hidden=(), out=width, dropout=0.0)
        self._outside: list[TextEncoder] = []
        if encoder.frozen:
            self._outside = [encoder]  # in a list, where torch does not look for modules
        else:
            self.trained = encoder

    @property
    def encoder(self) -> TextEncoder:
        """The text encoder, trained or frozen."""
        return self._outside[0] if self._outside else self.trained

    @property
    def frozen(self) -> bool:
        """Whether the text encoder never changes, so that features of texts can be kept."""
        return bool(self._outside)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the embeddings of texts, given as `TextEncoder.tokens` gives them."""
        return cast(Tensor, self.projection(self.encoder(ids, mask)))

    def features(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the text encoder's features, (B, F), without gradient, as in evaluation and in full precision.

        Args:
            ids, mask: of any number of texts, on any device; a part at a time goes to the projection's.
        """
        device = next(self.projection.parameters()).device
        encoder = self.encoder.to(device)
        training = encoder.training
        encoder.eval()
        with torch.no_grad(), torch.autocast(device_type=device.type, enabled=False):
            parts = [
                encoder(ids[first : first + AT_ONCE].to(device), mask[first : first + AT_ONCE].to(device))
                for first in range(0, len(ids), AT_ONCE)
            ]
        encoder.train(training)
        return torch.cat(parts)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """Return the embedding of each text, (N, width) of length 1, without gradient.

        Raises:
            BadInput: a text is empty, too long, or has words that the encoder does not know.
        """
        with torch.no_grad():
            return cast(Tensor, self.projection(self.features(*self.encoder.tokens(texts))))

    @property
    def shape(self) -> dict[str, Any]:
        """What builds it again, in plain types for a card."""
        return {"width": self.projection.out, "encoder": self.encoder.card()}
