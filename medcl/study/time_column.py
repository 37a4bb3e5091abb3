"""Columns that tell when a reading was taken, as a time since the reference date: `days`, `years`, `time [weeks]`."""

from __future__ import annotations

import re

from medcl.study.exams import DAYS_PER_YEAR
from medcl.study.names import key, reserved_name
from medcl.study.units import split_unit

_UNITS = {"day": 1.0, "week": 7.0, "month": DAYS_PER_YEAR / 12, "year": DAYS_PER_YEAR}
_SHORT = {"d": "day", "w": "week", "wk": "week", "m": "month", "mo": "month", "y": "year", "yr": "year"}
_SINCE = r"(since|after|from|post)(transplantation|transplant|tx|baseline|surgery|operation|inclusion|start)"
_NAMED = re.compile(rf"(days?|weeks?|months?|years?)({_SINCE})?")
_TIME = re.compile(rf"(follow ?up)?time({_SINCE})?|followup")


def days_per_unit(header: str) -> float | None:
    """Days in one unit of a column of times; None when `header` names no such column.

    `days` -> 1, `Years` -> 365.25, `months since transplantation` -> 30.4375, `time [weeks]` -> 7; `age [years]` is
    none, nor `time` without a unit.
    """
    if reserved_name(header) == "days":
        return 1.0
    name, unit = key(header), split_unit(header)[1].casefold().strip(" .")
    found = _NAMED.fullmatch(name)
    if found:
        return _UNITS[found[1].removesuffix("s")]
    unit = unit.removesuffix("s")
    return _UNITS.get(_SHORT.get(unit, unit)) if _TIME.fullmatch(name) else None
