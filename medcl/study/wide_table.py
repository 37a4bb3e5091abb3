"""Headers of wide tables, one row a patient: `GFR D15`, `GFR_M3 [mL/min]`, `volume ED` are a variable at an exam."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medcl.study.exams import exam_days
from medcl.study.names import canonical_name
from medcl.study.spelling import folded
from medcl.study.units import split_unit

_MARKS = re.compile(r"[\s_\-.]+")


@dataclass(frozen=True)
class ExamColumn:
    """One column of a wide table: the variable's canonical name and the exam as the header writes it."""

    name: str
    exam: str


def exam_columns(headers: Iterable[str], exams: Iterable[str]) -> dict[str, ExamColumn]:
    """Which headers are a variable at an exam.

    A header is split when it ends in an exam of the cohort, or in a time (D15, M3, 12 months) and another header has
    the same name before another time: `vitamin D3` alone stays a name.

    Args:
        headers: of the table.
        exams: labels of the cohort; those that are mere numbers are not looked for (`HLA 1` is no exam).
    """
    known = {folded(exam) for exam in exams if not exam.isdigit()}
    found: dict[str, ExamColumn] = {}
    timed: dict[str, ExamColumn] = {}
    for header in headers:
        for column in _splits(header):
            if folded(column.exam) in known:
                found[header] = column
                break
            if exam_days(column.exam) is not None:
                timed.setdefault(header, column)
    seen = _exams_by_name([*found.values(), *(timed[header] for header in timed if header not in found)])
    more = {header: column for header, column in timed.items() if len(seen[column.name]) > 1}
    return {**more, **found}


def match_exams(labels: Iterable[str], exams: Iterable[str]) -> dict[str, str]:
    """The cohort's exam for each label of a table that means one: the same word, else the one of the same time.

    `m3` and `3 months` are the cohort's M3; where two exams of the cohort have that time, neither is taken.
    """
    there = list(dict.fromkeys(exams))
    words = {folded(exam): exam for exam in there}
    matched = {}
    for label in dict.fromkeys(labels):
        same = [exam for exam in there if exam_days(exam) == exam_days(label) is not None]
        if folded(label) in words:
            matched[label] = words[folded(label)]
        elif len(same) == 1:
            matched[label] = same[0]
    return matched


def _splits(header: str) -> Iterable[ExamColumn]:
    """The header as name and last word, or name and last two words (`GFR 12 months`)."""
    words = _MARKS.split(split_unit(header)[0].strip())
    for count in (2, 1):
        if len(words) > count and all(words):
            yield ExamColumn(canonical_name(" ".join(words[:-count])), " ".join(words[-count:]))


def _exams_by_name(columns: Iterable[ExamColumn]) -> Mapping[str, set[str]]:
    exams: dict[str, set[str]] = {}
    for column in columns:
        exams.setdefault(column.name, set()).add(folded(column.exam))
    return exams
