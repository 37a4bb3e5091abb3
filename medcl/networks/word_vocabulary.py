"""The words of a set of texts as numbers: what a text encoder that starts from nothing reads.

A word is a run of letters and digits, in lower case; every other sign but space stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from medcl.study.errors import BadInput

PADDING, START = 0, 1
"""Numbers that are no word's: after the end of a short text, and before the first word of each."""

_FIRST_WORD = 2
_WORD = re.compile(r"\w+|[^\w\s]")
_MOST_LISTED = 8


class WordVocabulary:
    """Numbers for the words of `texts`, in alphabetical order; the same for any order of the texts.

    Attributes:
        words: all of them. `WordVocabulary(words)` is the same vocabulary.
        padding: what fills up short texts.
    """

    padding = PADDING

    def __init__(self, texts: Iterable[str]) -> None:
        self.words = tuple(sorted({word for text in texts for word in _words(text)}))
        self._numbers = {word: number for number, word in enumerate(self.words, start=_FIRST_WORD)}

    def __len__(self) -> int:
        """How many numbers there are, padding and start among them."""
        return _FIRST_WORD + len(self.words)

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text, the start's first.

        Raises:
            BadInput: naming words that are not in the vocabulary.
        """
        unknown = dict.fromkeys(word for text in texts for word in _words(text) if word not in self._numbers)
        if unknown:
            more = len(unknown) - _MOST_LISTED
            shown = ", ".join(f'"{word}"' for word in list(unknown)[:_MOST_LISTED])
            raise BadInput(
                f"--text-encoder scratch does not know {shown}{f' and {more} more words' if more > 0 else ''}: it "
                "knows the words of the prompts that it was trained with and no others. Use those prompts, or "
                "--text-encoder minilm, which knows any."
            )
        return [[START, *(self._numbers[word] for word in _words(text))] for text in texts]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
