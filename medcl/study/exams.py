"""The order of follow-up exams: D15, D30, M3, M12 come in the order of time, not of the alphabet."""

from __future__ import annotations

import re
from collections.abc import Iterable

DAYS_PER_YEAR = 365.25
_UNIT_DAYS = {"d": 1.0, "j": 1.0, "w": 7.0, "m": DAYS_PER_YEAR / 12, "y": DAYS_PER_YEAR}
_WORDS = {
    "day": "d",
    "days": "d",
    "jour": "d",
    "jours": "d",
    "tag": "d",
    "week": "w",
    "weeks": "w",
    "semaine": "w",
}
_WORDS |= {
    "month": "m",
    "months": "m",
    "mo": "m",
    "mois": "m",
    "monat": "m",
    "year": "y",
    "years": "y",
    "yr": "y",
}
_WORDS |= {"an": "y", "ans": "y", "jahr": "y"}
_WORDS |= {letter: letter for letter in _UNIT_DAYS}
_LABEL = re.compile(r"([a-z]+)[\s_\-]?(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)[\s_\-]?([a-z]+)")


def exam_days(label: str) -> float | None:
    """Days after the start of follow-up that an exam's label tells: D15 -> 15, M3 -> 91, M12 -> 365.

    French J15, `day 15`, `3 months`, `2 years` and `baseline` (0) are known too. None when the label tells
    no time (ED, ES, visit 3).
    """
    text = label.strip().casefold()
    if text == "baseline":
        return 0.0
    found = _LABEL.fullmatch(text)
    if not found:
        return None
    unit = _WORDS.get(found[1] or found[4])
    if unit is None:
        return None
    return float(int(float(found[2] or found[3]) * _UNIT_DAYS[unit]))


def exam_order(labels: Iterable[str]) -> list[str]:
    """The distinct labels in order of time, then those that tell no time in natural order (V2 before V10)."""
    return sorted(set(labels), key=_sort_key)


def _sort_key(label: str) -> tuple[bool, float, list[tuple[bool, float, str]], str]:
    days = exam_days(label)
    return days is None, days or 0.0, natural_key(label), label


def natural_key(text: str) -> list[tuple[bool, float, str]]:
    """Sort key under which numbers inside a text count as numbers: P2 before P10."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(not part.isdigit(), float(part) if part.isdigit() else 0.0, part) for part in parts if part]
