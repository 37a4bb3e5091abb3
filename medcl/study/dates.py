"""Dates of a column as ISO text: 2021-03-15, 20210315 (DICOM), 15.03.2021, 15/03/2021 when the column tells.

Whether `03/04/2021` means March or April is told by the other dates of the column (a part above 12); a
column that does not tell is refused.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from medcl.study.cells import is_missing
from medcl.study.problems import Problems

_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.]?)(\d{{2}})\2(\d{{2}}){_TIME}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_TIME}")


def read_dates(cells: Sequence[str], rows: Sequence[int], column: str, problems: Problems) -> list[str]:
    """The dates as ISO text, "" where missing; unreadable and ambiguous ones go to `problems`."""
    month_first = _month_first(cells)
    dates = []
    for cell, row in zip(cells, rows, strict=True):
        date = "" if is_missing(cell) else _read(cell, month_first)
        if date is None:
            if _YEAR_LAST.fullmatch(cell) and month_first is None:
                why = "the month may be the first or the second part; write dates as YYYY-MM-DD"
            else:
                why = "expected a date as YYYY-MM-DD"
            problems.add(f"'{cell}': {why}", row=row, column=column, kind="unclear dates")
        dates.append(date or "")
    return dates


def ordinal(date: str) -> float:
    """The number of an ISO date's day, NaN of ""; differences are days."""
    return float(datetime.date.fromisoformat(date).toordinal()) if date else float("nan")


def _month_first(cells: Sequence[str]) -> bool | None:
    """Whether the month stands first in dates with `/` or `-`; None when the column does not tell."""
    votes = set()
    for cell in set(cells):
        found = _YEAR_LAST.fullmatch(cell)
        if found and found[2] != ".":
            first, second = int(found[1]), int(found[3])
            if first > 12 >= second:
                votes.add(False)
            elif second > 12 >= first:
                votes.add(True)
    return votes.pop() if len(votes) == 1 else None


def _read(cell: str, month_first: bool | None) -> str | None:
    found = _YEAR_FIRST.fullmatch(cell)
    if found:
        return _iso(found[1], found[3], found[4])
    found = _YEAR_LAST.fullmatch(cell)
    if not found:
        return None
    first, second = found[1], found[3]
    if found[2] == "." or first == second:  # points: day first, wherever they are in use
        return _iso(found[4], second, first)
    if month_first is None:
        return None
    return _iso(found[4], first, second) if month_first else _iso(found[4], second, first)


def _iso(year: str, month: str, day: str) -> str | None:
    try:
        return datetime.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
