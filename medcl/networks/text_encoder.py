"""Text encoders: prompts in, one feature vector each out (Milecki et al., MEDIMP, MIDL 2023).

The paper's is Bio+Clinical BERT with its first 11 of 12 layers frozen; here it is any encoder of a local folder or of
Hugging Face's cache, a small one whose weights come as a package, or one that starts from nothing. A text's features
are those of its [CLS] token, or the mean over its tokens. (The public code takes the token with the largest number,
which means nothing for BERT.)

Frozen layers, and the embeddings below them, get no gradient and stay in evaluation mode, without dropout, while the
rest trains. Where all are frozen, a text's features never change, so that they can be computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from medcl.networks.text_folder import MINILM, text_folder
from medcl.networks.text_parts import TextParts
from medcl.study.errors import BadInput

SCRATCH = "scratch"
LONGEST = 77
"""Tokens of a prompt, start and end among them, as in the paper (and in CLIP)."""

Pooling = Literal["cls", "mean"]

_MOST_LISTED = 5
_MOST_SHOWN = 60


class TextEncoder(nn.Module):
    """A network that maps tokens of texts to features (B, F).

    Args:
        parts: what reads the words.
        name: as the user gave it.
        frozen_layers: the first so many layers, with the embeddings; 0 leaves all to be trained.
        pooling: "cls" or "mean".

    Attributes:
        features: F.
        longest: tokens of a text at most.
    """

    def __init__(self, parts: TextParts, name: str, frozen_layers: int, pooling: Pooling) -> None:
        super().__init__()
        self.network = parts.network
        self.features = parts.features
        self.longest = min(LONGEST, parts.longest)
        self.name, self.frozen_layers, self.pooling = name, frozen_layers, pooling
        self._parts = parts
        self._still: list[nn.Module] = []
        if frozen_layers:
            self._still = [*parts.below, *parts.layers[:frozen_layers]]
        if frozen_layers == len(parts.layers):
            self._still = [parts.network]  # whatever stands after the layers would not learn alone
        for module in self._still:
            module.requires_grad_(False)
        self.train(self.training)

    @property
    def frozen(self) -> bool:
        """Whether nothing in it is trained, so that its features never change."""
        return not any(weights.requires_grad for weights in self.parameters())

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return one row of features a text, in float32 or better.

        Args:
            ids: (B, L) int64, as `tokens` gives them.
            mask: (B, L) bool, true where a token is; the tokens of a row stand first.
        """
        read = cast(Tensor, self.network(ids, mask))
        if read.dtype in (torch.float16, torch.bfloat16):
            read = read.float()
        if self.pooling == "cls":
            return read[:, 0]
        return torch.where(mask[..., None], read, 0).sum(dim=1) / mask.sum(dim=1, keepdim=True)

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the ids (B, L) int64 and the mask (B, L) bool of texts, L tokens being the longest one's.

        Raises:
            BadInput: texts that have more tokens than can be read, that are empty, or whose words are not known.
        """
        blank = [number for number, text in enumerate(texts, start=1) if not text.strip()]
        if blank or not texts:
            raise BadInput(f"Prompt {blank[0]} of {len(texts)} is empty." if blank else "There are no prompts to read.")
        numbers = self._parts.numbers(texts)
        self._check_lengths(texts, [len(each) for each in numbers])
        ids = torch.full((len(texts), max(map(len, numbers))), self._parts.padding, dtype=torch.int64)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for row, each in enumerate(numbers):
            ids[row, : len(each)] = torch.tensor(each)
            mask[row, : len(each)] = True
        return ids, mask

    def card(self) -> dict[str, Any]:
        """Return what it is, in plain types.

        `build_text_encoder(name, frozen_layers=..., pooling=..., texts=words)` with these values builds it again; its
        weights are then those of `pretrained_sha256`, or drawn anew where that is None.
        """
        told: dict[str, Any] = {
            "name": self.name,
            "pooling": self.pooling,
            "frozen_layers": self.frozen_layers,
            "layers": len(self._parts.layers),
            "features": self.features,
            "pretrained_sha256": self._parts.pretrained_sha256,
        }
        return told if self._parts.words is None else {**told, "words": list(self._parts.words)}

    def train(self, mode: bool = True) -> TextEncoder:
        """Set training mode, but for what is frozen."""
        super().train(mode)
        for module in self._still:
            module.eval()
        return self

    def _check_lengths(self, texts: Sequence[str], lengths: Sequence[int]) -> None:
        long = {text: length for text, length in zip(texts, lengths, strict=True) if length > self.longest}
        if not long:
            return
        shown = [
            f'  {length} tokens: "{text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."}"'
            for text, length in list(long.items())[:_MOST_LISTED]
        ]
        more = [f"  and {len(long) - _MOST_LISTED} more"] if len(long) > _MOST_LISTED else []
        raise BadInput(
            [
                f"--text-encoder {self.name} reads at most {self.longest} tokens of a prompt; longer are:",
                *shown,
                *more,
                "Shorten their templates, or split them in two.",
            ]
        )


def build_text_encoder(
    name: str = MINILM,
    *,
    frozen_layers: int | None = None,
    pooling: Pooling = "cls",
    texts: Sequence[str] = (),
    download: bool = False,
) -> TextEncoder:
    """Return a text encoder, pretrained or freshly initialised.

    Args:
        name: "minilm", all-MiniLM-L6-v2 from the extra `text`; "scratch", a small transformer that knows the words of
            `texts`; else a folder, or a name in Hugging Face's cache (see `text_folder`).
        frozen_layers: the first so many layers, and the embeddings with them. None: all but the last; none of scratch.
        pooling: "cls", the first token's features, or "mean", over all tokens.
        texts: all prompts; for scratch alone.
        download: whether an encoder that is neither here nor in the cache may be fetched from the Hugging Face hub.

    Raises:
        BadInput: there is no such encoder, or a package is missing, or the options do not fit it.
        RunFailed: the download failed.
    """
    if name == SCRATCH:
        parts = _from_nothing(texts)
        if frozen_layers:
            raise BadInput(
                f"--frozen-layers {frozen_layers}: --text-encoder {SCRATCH} starts from random weights, which have to "
                "be trained. Leave --frozen-layers out, or take a pretrained encoder."
            )
        return TextEncoder(parts, name, 0, _pooling(pooling, name, parts))
    folder = text_folder(name, download)
    from medcl.networks.hugging_face_text import hugging_face_text

    parts = hugging_face_text(folder, name)
    count = len(parts.layers)
    frozen = count - 1 if frozen_layers is None else frozen_layers
    if not 0 <= frozen <= count:
        raise BadInput(f"--frozen-layers is {frozen}; --text-encoder {name} has {count} layers: expected 0 to {count}.")
    return TextEncoder(parts, name, frozen, _pooling(pooling, name, parts))


def _from_nothing(texts: Sequence[str]) -> TextParts:
    from medcl.networks.text_transformer import TextTransformer
    from medcl.networks.word_vocabulary import WordVocabulary

    vocabulary = WordVocabulary(texts)
    if not vocabulary.words:
        raise BadInput(f"--text-encoder {SCRATCH} takes its words from the prompts, and there are none.")
    network = TextTransformer(len(vocabulary), LONGEST)
    return TextParts(
        network=network,
        below=network.below,
        layers=list(network.layers),
        features=network.features,
        longest=LONGEST,
        padding=vocabulary.padding,
        numbers=vocabulary,
        classifies=True,
        words=vocabulary.words,
    )


def _pooling(pooling: Pooling, name: str, parts: TextParts) -> Pooling:
    if pooling not in ("cls", "mean"):
        raise BadInput(f"--text-pooling is '{pooling}'; expected cls or mean.")
    if pooling == "cls" and not parts.classifies:
        raise BadInput(f"--text-encoder {name} has no [CLS] token before a text; take --text-pooling mean.")
    return pooling
