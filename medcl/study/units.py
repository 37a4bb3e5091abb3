"""Units in headers and cells: `eGFR [mL/min/1.73m2]`, `creatinine (umol/L)`, `45 %`.

Square brackets always hold a unit. Round brackets hold one only when the content looks like a unit:
`creatinine (donor)` is a name.
"""

from __future__ import annotations

import re
import unicodedata

# fmt: off
_PARTS = frozenset({
    "ml", "l", "dl", "ul", "ug", "mg", "g", "kg", "ng", "pg", "mol", "mmol", "umol", "nmol", "pmol",
    "m", "cm", "mm", "um", "min", "mins", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "week",
    "weeks", "month", "months", "mo", "y", "yr", "yrs", "year", "years", "an", "ans", "s", "sec", "ms",
    "mmhg", "kpa", "bpm", "u", "ui", "iu", "miu", "hu", "t", "mt", "ppm", "hz", "khz", "mhz", "points",
    "cells", "copies", "x",
})
# fmt: on
_ROUND_ALONE = _PARTS - {"m", "u", "x"}  # "sex (m)" is no length
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_ROUND = re.compile(r"\(([^()]*)\)\s*$")


def looks_like_unit(text: str) -> bool:
    """Whether `text` reads as a unit: mL/min/1.73 m², umol/L, %, years, kg/m2, 10^9/L."""
    plain = re.sub(r"\s+", "", text).casefold().replace("μ", "u").replace("µ", "u")  # both signs of micro
    if plain in ("%", "°", "°c", "c°"):
        return True
    parts = [re.sub(r"[0-9.,^²³·*]", "", part) for part in plain.split("/")]
    if len(parts) == 1:
        return parts[0] in _ROUND_ALONE and plain[:1] != "."
    return all(part in _PARTS or part == "" for part in parts) and any(parts)


def bare_unit(unit: str) -> str:
    """The form in which units compare: `µmol / L`, `umol/l` and `micromol/L` are one."""
    plain = unicodedata.normalize("NFKC", unit).casefold().replace("μ", "u").replace("micromol", "umol")
    return re.sub(r"[\s^·*]", "", plain)


def split_unit(header: str) -> tuple[str, str]:
    """`header` as (name without unit, unit or "").

    `eGFR [mL/min/1.73m2]` -> ("eGFR", "mL/min/1.73m2"); `creatinine (donor)` -> ("creatinine (donor)", "").
    """
    text = " ".join(header.split())
    square = _BRACKETS.search(text)
    if square:
        name = " ".join((text[: square.start()] + " " + text[square.end() :]).split())
        return name, " ".join(square[1].split())
    round_ = _ROUND.search(text)
    if round_ and looks_like_unit(round_[1]):
        return text[: round_.start()].strip(), " ".join(round_[1].split())
    return text, ""
