"""Values of a header as plain numbers; what cannot be understood counts as missing."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

_CLOCK = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d*)?)?")


def number(dataset: Any, name: str) -> float | None:
    """A number, or None when it is missing, no number or not finite; of several the first."""
    value = dataset.get(name)
    if value is None or value == "":
        return None
    try:
        told = float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError, ArithmeticError):
        return None
    return told if math.isfinite(told) else None


def numbers(dataset: Any, name: str, count: int) -> tuple[float, ...] | None:
    """So many numbers, or None when they are not all there and finite."""
    try:
        told = tuple(float(part) for part in dataset.get(name) or ())
    except (TypeError, ValueError, ArithmeticError):
        return None
    return told if len(told) == count and all(math.isfinite(part) for part in told) else None


def texts(dataset: Any, name: str) -> list[str]:
    """The words of a field with several values."""
    value = dataset.get(name)
    if value is None:
        return []
    return [value] if isinstance(value, str) else [str(part) for part in value]


def timing(repetition: Any, inversion: Any, flip: Any) -> tuple[float, float, float]:
    """Repetition time and inversion time in ms and flip angle in degrees, 0 where missing."""
    times = number(inversion, "InversionTime") or number(inversion, "InversionTimes")
    return number(repetition, "RepetitionTime") or 0.0, times or 0.0, number(flip, "FlipAngle") or 0.0


def clock(value: Any) -> float | None:
    """Seconds after midnight of a time of day (TM, HHMMSS.FFFFFF); None when it is none."""
    found = _CLOCK.match(str(value or "").strip())
    if not found:
        return None
    return int(found[1]) * 3600 + int(found[2] or 0) * 60 + float(found[3] or 0)


def day(value: Any) -> str:
    """A date (DA, YYYYMMDD) as ISO text; "" when it is none."""
    text = str(value or "").strip()
    try:
        return datetime.datetime.strptime(text, "%Y%m%d").date().isoformat() if len(text) == 8 else ""
    except ValueError:
        return ""
