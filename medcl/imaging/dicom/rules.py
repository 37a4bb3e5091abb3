"""Names sequences by words of the series' description; the rules are the user's (`[preprocess] sequences`).

A rule is `NAME=PATTERN`. A pattern's words must stand in the description as whole words, side by side, without regard
to case, accents or what stands between them; `*` stands for the rest of a word; `#2` at the end means the second phase
of a series with several. The first rule that fits gives the name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# fmt: off
SEQUENCES = (
    "water=ss iv", "water=sans iv", "water=sans inj*", "water=pre contrast", "water=precontrast", "water=non contrast",
    "arterial=art", "arterial=arter*",
    "tubular=tub", "tubular=tubul*",
)
"""The water phases of a LAVA-Flex examination of a kidney transplant as Milecki et al. (MIDL 2022) have them."""

LEAVE_OUT = (
    "loc", "locali?er*", "localisateur*", "localisation", "scout*", "survey*", "topogram*", "scanogram*", "reperage*",
    "3 plane*", "3plane*", "calibration*", "asset cal*", "smartprep", "smart prep", "care bolus",
    "bolus track*", "dose report", "screen save*", "patient protocol", "mip", "mpr", "subtraction*", "sub*tracted",
)
"""Words of descriptions whose series are left out: localisers, calibrations, reformatted images."""

PHASE_SERIES = ("dyn*", "dce*", "phase*", "ph", "perf*", "multiphase*", "multi phase*", "pass", "temps", "post gd*")
"""Words of descriptions whose series may be phases of one another (`medcl.imaging.dicom.join`)."""
# fmt: on
_PHASE = re.compile(r"\s*#\s*(\d+)\s*$")
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Rule:
    """A pattern and the name that it gives; `phase` is 0 when it fits any."""

    name: str
    pattern: re.Pattern[str]
    phase: int = 0


def read_rule(text: str) -> Rule:
    """A rule of `NAME=PATTERN`.

    Raises:
        ValueError: it is none.
    """
    name, equals, pattern = (part.strip() for part in text.partition("="))
    words, phase = _PHASE.sub("", pattern), _PHASE.search(pattern)
    if not equals or not slug(name) or not slug(words):
        raise ValueError(f"'{text}' is no rule, expected NAME=PATTERN as in arterial=art")
    return Rule(slug(name), pattern_of(words), int(phase[1]) if phase else 0)


def pattern_of(words: str) -> re.Pattern[str]:
    """The pattern of some words: whole words side by side; `*` is the rest of a word, `?` one sign."""
    parts = [
        re.escape(word).replace(r"\*", "[a-z0-9]*").replace(r"\?", "[a-z0-9]")
        for word in re.split(r"[^a-z0-9*?]+", _bare(words))
        if word
    ]
    return re.compile(r"(?<![a-z0-9])" + "[^a-z0-9]+".join(parts) + r"(?![a-z0-9])")


def rule_for(description: str, phase: int, rules: Sequence[Rule]) -> Rule | None:
    """The first rule that fits, or None.

    Args:
        description: of the series.
        phase: 1, 2, ... in a series with several phases, else 0.
        rules: in order.
    """
    text = _bare(description)
    return next((each for each in rules if each.phase in (0, phase) and each.pattern.search(text)), None)


def fits(description: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Whether one of the patterns stands in a description."""
    text = _bare(description)
    return any(pattern.search(text) for pattern in patterns)


def slug(description: str) -> str:
    """A description as a plain name of small letters, digits and `-`; "" when nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", _bare(description)).strip("-")[:_LONGEST_NAME].strip("-")


def _bare(text: str) -> str:
    """Small letters without accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in plain if not unicodedata.combining(sign))
