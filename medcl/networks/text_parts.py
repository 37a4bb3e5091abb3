"""What a text encoder is made of, whoever made it: words to numbers, numbers to features of each word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, eq=False)
class TextParts:
    """A reader of words that `TextEncoder` freezes in part and pools.

    Attributes:
        network: maps numbers of words (B, L) int64 and a mask (B, L) bool, true where a word is, to (B, L, features).
        below: its embeddings: what comes before the layers.
        layers: from first to last.
        features: of each word.
        longest: words of a text that it can read at most, start and end among them.
        padding: number that fills up short texts.
        numbers: the numbers of texts, those of start and end among them, never cut off.
        classifies: whether a text's first number is that of a token made to stand for the whole ([CLS]).
        words: all that it knows, where they were collected from the prompts.
        pretrained_sha256: of the weights that were loaded; None where they were drawn.
    """

    network: nn.Module
    below: Sequence[nn.Module]
    layers: Sequence[nn.Module]
    features: int
    longest: int
    padding: int
    numbers: Callable[[Sequence[str]], list[list[int]]]
    classifies: bool
    words: tuple[str, ...] | None = None
    pretrained_sha256: str | None = None
