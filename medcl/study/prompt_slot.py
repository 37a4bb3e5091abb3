"""One slot of clinical prompts: which variable it speaks of, and which words its values become."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

Words = tuple[str, ...]

STATISTICS = {
    "": "the image's own value",
    "sd": "the sample standard deviation of all of the patient's values; needs two",
    "mean": "the mean of all of the patient's values",
}
"""What a slot makes of a variable."""

AT_THRESHOLD = ("higher", "lower")
"""Whose words a value has that equals a threshold: those above it, or those below."""


@dataclass(frozen=True)
class Slot:
    """What `{name}` in a template stands for.

    Attributes:
        name: as templates write it.
        variable: as the cohort is asked for it (`gfr`, `exam`, `screat@365+-60`).
        unit: of the thresholds; values are converted to it. "" takes values as the table has them.
        statistic: key of `STATISTICS`.
        thresholds: rising; () where classes have words.
        words: for n thresholds n + 1 entries from low to high, or an entry for each class; an entry holds synonyms,
            one of which is drawn.
        at_threshold: one of `AT_THRESHOLD`.
    """

    name: str
    variable: str
    unit: str
    statistic: str
    thresholds: tuple[float, ...]
    words: tuple[Words, ...] | Mapping[str, Words]
    at_threshold: str = "higher"

    @property
    def classes(self) -> Mapping[str, Words]:
        """The words of each class; {} where thresholds decide."""
        return self.words if isinstance(self.words, Mapping) else {}

    @property
    def entries(self) -> tuple[Words, ...]:
        """All that the slot can say, each with its synonyms."""
        return tuple(self.words.values()) if isinstance(self.words, Mapping) else self.words

    def of_number(self, value: float) -> Words:
        """The words of a number: with thresholds 15 and 30 the first below 15, the second from 15 to below 30.

        Args:
            value: in `unit`, not missing.
        """
        assert not isinstance(self.words, Mapping)
        place = bisect_right if self.at_threshold == "higher" else bisect_left
        return self.words[place(self.thresholds, value)]
