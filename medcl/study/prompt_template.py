"""Templates of prompts: sentences with slots, `Graft function was {gfr}. The donor's age was {donor_age}.`

A sentence ends with `.`, `!` or `?` before a space and a capital letter, a digit or a slot, unless the word before it
is a known abbreviation. It is said only when all of its slots have words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

ABBREVIATIONS = ("approx.", "ca.", "e.g.", "i.e.", "vs.", "dr.", "st.", "fig.")
"""Words whose full stop ends no sentence."""

_SLOT = re.compile(r"\{\s*([^{}]*?)\s*\}")
_END = re.compile(r"(?<=[.!?])\s+(?=[^\sa-zß-öø-ÿ])")
_STARTS_WITH_SLOT = re.compile(r"[^\w{]*\{")


@dataclass(frozen=True)
class Filled:
    """A template with words in its slots.

    Attributes:
        text: "" when no slot could be used.
        used: slots whose words are in the text, as they come.
        dropped: slots that stand only in sentences that were left out.
    """

    text: str
    used: tuple[str, ...]
    dropped: tuple[str, ...]


def slots_of(text: str) -> tuple[str, ...]:
    """The names of the slots in a template or a sentence, as they come, one that stands twice twice."""
    return tuple(_SLOT.findall(text))


def without_slots(text: str) -> str:
    """What is left of a template without its slots."""
    return _SLOT.sub("", text)


@lru_cache(maxsize=4096)
def sentences_of(template: str) -> tuple[str, ...]:
    """The sentences of a template."""
    sentences: list[str] = []
    for part in _END.split(" ".join(template.split())):
        last = sentences[-1].split()[-1].casefold() if sentences else ""
        if last.lstrip("(") in ABBREVIATIONS:
            sentences[-1] += f" {part}"
        else:
            sentences.append(part)
    return tuple(sentences)


def fill(template: str, words: Mapping[str, str]) -> Filled:
    """A template in words; sentences with a slot that has none are left out.

    A sentence that begins with a slot gets a capital letter. Sentences without slots stay as long as another says
    something of the patient.

    Args:
        template: with slots.
        words: by slot, without those that have none.
    """
    said = [sentence for sentence in sentences_of(template) if all(slot in words for slot in slots_of(sentence))]
    used = tuple(dict.fromkeys(slot for sentence in said for slot in slots_of(sentence)))
    dropped = tuple(slot for slot in dict.fromkeys(slots_of(template)) if slot not in used)
    text = " ".join(_said(sentence, words) for sentence in said) if used else ""
    return Filled(text, used, dropped)


def _said(sentence: str, words: Mapping[str, str]) -> str:
    text = _SLOT.sub(lambda found: words[found[1]], sentence)
    start = _STARTS_WITH_SLOT.match(sentence)
    if start is None:
        return text
    place = start.end() - 1  # where the slot's first letter now stands
    return text[:place] + text[place : place + 1].upper() + text[place + 1 :]
