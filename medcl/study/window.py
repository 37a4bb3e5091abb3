"""How a variable is asked for: `gfr`, `gfr@M12`, `screat@365+-60`, `screat@exam+-14:median`.

    NAME                         the image's own value
    NAME@EXAM                    the patient's value at that exam, whatever exam the image is of
    NAME@DAY+-DAYS[:REDUCER]     the patient's readings within so many days of a day
    NAME@exam+-DAYS[:REDUCER]    the patient's readings within so many days of the image's own exam

Days are counted from the reference date (the transplantation, say). DAY and DAYS are numbers of days, or times such
as M12, 6m, 1y. Both ends of a window belong to it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from medcl.study.errors import BadInput
from medcl.study.exams import exam_days

REDUCERS = {
    "mean": "the mean",
    "median": "the median",
    "last": "the last reading (the mean of several on that day)",
    "nearest": "the reading nearest to the middle of the window (the mean of several as near)",
    "sd": "the sample standard deviation; needs two readings",
}
"""What makes one value of the readings of a window."""

OWN_EXAM = "exam"
"""The word for a window around the image's own exam."""

_REQUEST = re.compile(
    r"(?P<name>[^@]+)@(?P<centre>[^@:±]+?)(?:(?:\+-|\+/-|±)(?P<half>[^@:±]+?))?(?::(?P<reducer>[^@:]*))?"
)
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_FORM = "NAME@DAY+-DAYS as in screat@365+-60, NAME@exam+-DAYS as in screat@exam+-14, or NAME@EXAM as in gfr@M12"


@dataclass(frozen=True)
class Window:
    """Which readings of a patient count, and what is made of them.

    Attributes:
        centre: day since the reference date; None for the day of the image's own exam.
        half: days before and after it, both ends included.
        reducer: key of `REDUCERS`.
    """

    centre: float | None
    half: float
    reducer: str = "mean"

    def __str__(self) -> str:
        centre = OWN_EXAM if self.centre is None else _plain(self.centre)
        reducer = "" if self.reducer == "mean" else f":{self.reducer}"
        return f"{centre}+-{_plain(self.half)}{reducer}"


@dataclass(frozen=True)
class Request:
    """A variable as it was asked for: by name alone, of one exam, or of a window."""

    name: str
    exam: str | None = None
    window: Window | None = None

    def __str__(self) -> str:
        where = self.exam if self.window is None else str(self.window)
        return self.name if where is None else f"{self.name}@{where}"


def parse_request(text: str) -> Request:
    """Read what stands behind --variable, --color or --target.

    Raises:
        BadInput: there is an `@`, but not as one of the forms above.
    """
    if "@" not in text:
        return Request(text.strip())
    found = _REQUEST.fullmatch(text.strip())
    if not found or not found["name"].strip():
        raise BadInput(f"'{text}' cannot be read: expected {_FORM}.")
    name, centre, reducer = found["name"].strip(), found["centre"].strip(), (found["reducer"] or "").strip().casefold()
    if found["half"] is None:
        return Request(name, exam=_exam_only(text, name, centre, found["reducer"]))
    if found["reducer"] is not None and reducer not in REDUCERS:
        raise BadInput(f"'{text}': '{reducer}' is unknown; expected {', '.join(REDUCERS)}, as in {name}@365+-60:sd.")
    middle = None if centre.casefold() == OWN_EXAM else _days(text, centre)
    half = _days(text, found["half"].strip())
    if half < 0:
        raise BadInput(f"'{text}': a window cannot be {half:g} days wide on each side; give 0 or more.")
    return Request(name, window=Window(middle, half, reducer or "mean"))


def _exam_only(text: str, name: str, exam: str, reducer: str | None) -> str:
    if reducer is not None:
        raise BadInput(f"'{text}': ':{reducer}' needs a window, as in {name}@365+-60:sd.")
    if exam.casefold() == OWN_EXAM:
        raise BadInput(f"'{text}' says no width: write {name}@exam+-14, or {name} for the exam's own value.")
    if not exam or _NUMBER.fullmatch(exam):
        raise BadInput(f"'{text}' says no width: write {name}@{exam or 365}+-60 for 60 days on each side.")
    if "+" in exam:
        raise BadInput(f"'{text}' cannot be read: expected {_FORM}.")
    return exam


def _days(text: str, word: str) -> float:
    value = float(word) if _NUMBER.fullmatch(word) else exam_days(word)
    if value is None or not math.isfinite(value):
        raise BadInput(f"'{text}': '{word}' is no number of days, nor a time such as M12 or 6m; expected {_FORM}.")
    return value + 0.0  # no -0


def _plain(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else repr(number)
