"""Names exams: by a folder's label (D15, M3), by days after a date that the study counts from, or by their order."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence

from medcl.study.exams import exam_days

WINDOW_SHARE = 0.25
WINDOW_DAYS = 10.0
"""An exam counts as D15, M3, ... when it is no further off than a quarter of that time, or 10 days."""

_PREFIX = re.compile(r"^(?:ses|session|visit|exam)[\s_-]+", re.IGNORECASE)


def label_of_folders(folders: Iterable[str]) -> str | None:
    """The first folder name that tells a time (D15, M3, J30, 3 months, ses-M12), without such a prefix."""
    for folder in folders:
        label = _PREFIX.sub("", folder.strip())
        if exam_days(label) is not None:
            return label
    return None


def days_between(date: str, reference: str) -> int:
    """Days from one ISO date to another."""
    return (datetime.date.fromisoformat(date) - datetime.date.fromisoformat(reference)).days


def label_of_days(days: int, nominal: Sequence[str]) -> str:
    """The nominal exam (D15, M3, ...) nearest to a day, or the day itself: D47, or pre5 for five days before.

    Args:
        days: after the reference date.
        nominal: labels that tell a time.
    """
    near = sorted((abs(days - (exam_days(label) or 0.0)), label) for label in nominal)
    if near and near[0][0] <= max(WINDOW_DAYS, WINDOW_SHARE * (exam_days(near[0][1]) or 0.0)):
        return near[0][1]
    return f"D{days}" if days >= 0 else f"pre{-days}"
