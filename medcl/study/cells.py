"""One cell of a clinical table: missing words, limits (`<15`), and what number a text can mean.

A number is read under both conventions, decimal point and decimal comma. A cell that has a meaning under
one of them only is certain (`12,5`, `1.234,5`, `1 234`); `1,234` has two, and only its column can decide
(see numbers.py).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MISSING = frozenset(
    {
        "",
        "na",
        "n.a.",
        "n.a",
        "n/a",
        "#nv",
        "#n/a",
        "#na",
        "nan",
        "null",
        "<na>",
        "-",
        "--",
        "---",
        "–",
        "—",
        ".",
        "..",
        "?",
    }
    | {"missing", "unknown", "unk", "not available", "not applicable", "not done", "not known", "n.d.", "n/d"}
    | {"k.a.", "k. a.", "keine angabe", "unbekannt", "fehlt", "manquant", "inconnu", "non disponible"}
)
"""Words that stand for a missing value, in lower case. `none` is not among them: it can mean 0 or a class."""

MISSING_NUMBER = MISSING | {"nd", "nr", "n.r.", "ka"}
"""Also missing where numbers are meant; among classes they can stand for something (ND, non-diabetic)."""

BROKEN = frozenset({"#ref!", "#value!", "#div/0!", "#name?", "#num!", "#null!", "#name", "#####"})
"""What a spreadsheet writes for a formula that failed."""

_CELL = re.compile(r"(?P<limit><=|>=|[<>≤≥])?\s*(?P<sign>[-+−–])?\s?(?P<body>[0-9.,'’\s]+)(?P<exponent>e[-+−]?[0-9]+)?")
_SPACES = "[ \u00a0\u2009\u202f'’]"
_GROUPED = r"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{3}})+|[1-9][0-9]{{0,2}}(?:{spaces}[0-9]{{3}})+)"


def _convention(decimal: str, thousands: str) -> re.Pattern[str]:
    grouped = _GROUPED.format(sign=thousands, spaces=_SPACES)
    return re.compile(rf"(?P<whole>{grouped})(?:{decimal}(?P<part>[0-9]*))?|{decimal}(?P<only>[0-9]+)")


_POINT = _convention(r"\.", ",")
_COMMA = _convention(",", r"\.")


@dataclass(frozen=True)
class Number:
    """A cell that can be a number: its value under each convention (None: impossible)."""

    point: float | None
    comma: float | None
    limit: bool = False
    grouped: bool = False  # has thousands signs for certain: `1.234,5`, `1,234,567`

    @property
    def certain(self) -> float | None:
        """The value, when the cell alone decides it."""
        if self.point is None or self.comma is None:
            return self.comma if self.point is None else self.point
        return self.point if self.point == self.comma else None


def is_missing(text: str, *, number: bool = False) -> bool:
    """Whether a cell stands for a missing value (in a column of numbers: `nd` too)."""
    return text.strip().casefold() in (MISSING_NUMBER if number else MISSING)


def is_broken(text: str) -> bool:
    """Whether a cell is the error of a spreadsheet formula."""
    return text.strip().casefold() in BROKEN


def read_number(text: str) -> Number | None:
    """The number(s) that a cell can mean; None when it is no number.

    `45,5`, `<15` (limit), `1.5e-3`, `−3`, `1 234,5`, `0.50`; not: `12-15`, `1,2,3`, `inf`, `5 mg`.
    """
    found = _CELL.fullmatch(text.strip().casefold())
    if not found:
        return None
    body = found["body"].strip()
    power = (found["exponent"] or "").replace("−", "-")
    negative = (found["sign"] or "+") in "-−–"
    point = _value(_POINT.fullmatch(body), negative, power)
    comma = _value(_COMMA.fullmatch(body), negative, power)
    if point is None and comma is None:
        return None
    signs = [sign for sign in body if sign in ".,"]
    return Number(point, comma, limit=bool(found["limit"]), grouped=len(signs) > 1)


def _value(found: re.Match[str] | None, negative: bool, power: str) -> float | None:
    if found is None:
        return None
    whole = re.sub(r"[^0-9]", "", found["whole"] or "0")
    value = float(f"{whole}.{found['part'] or found['only'] or '0'}{power}")
    if not math.isfinite(value):
        return None
    return -value if negative else value
