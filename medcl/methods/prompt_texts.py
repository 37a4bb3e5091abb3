"""The prompts of a training on their way to embeddings: tokens, and features of a frozen encoder, are made once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medcl.data.to_device import to_device
from medcl.networks.text_space import TextSpace


class PromptTexts(nn.Module):
    """Maps places in a list of texts to embeddings of length 1.

    What is kept, tokens and features, is no part of its state: it can be made again.

    Args:
        space: the text encoder with its projection.
        texts: all that there are; each is put into tokens here.

    Raises:
        BadInput: a text is longer than the encoder reads.
    """

    def __init__(self, space: TextSpace, texts: Sequence[str]) -> None:
        super().__init__()
        self.space = space
        ids, mask = space.encoder.tokens(texts)
        self._lengths: NDArray[np.int64] = mask.sum(dim=1).numpy()  # on the host, whatever the device
        self._features: Tensor | None = None
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, places: NDArray[Any]) -> Tensor:
        """Return the embeddings (M, width) of the texts at these places, (M,), given on the host.

        Texts that stand there several times pass the encoder once, all of them on every rank: they are few and short
        beside the images, and so a dropout is drawn as by one process.
        """
        distinct, where = np.unique(places, return_inverse=True)
        chosen = to_device(torch.from_numpy(distinct.astype(np.int64)), self._ids.device)
        if self.space.frozen:
            weights = next(self.space.projection.parameters())
            embeddings = self.space.projection(self._kept()[chosen].to(weights))
        else:
            longest = int(self._lengths[distinct].max())
            embeddings = self.space(self._ids[chosen, :longest], self._mask[chosen, :longest])
        return cast(Tensor, embeddings[to_device(torch.from_numpy(where), embeddings.device)])

    @property
    def _ids(self) -> Tensor:
        return cast(Tensor, self.ids)

    @property
    def _mask(self) -> Tensor:
        return cast(Tensor, self.mask)

    def _kept(self) -> Tensor:
        """The frozen encoder's features of all texts, (P, F), computed at the first call."""
        if self._features is None:
            self._features = self.space.features(self._ids, self._mask)
        if self._features.device != self._ids.device:
            self._features = self._features.to(self._ids.device)
        return self._features
