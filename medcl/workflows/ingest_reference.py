"""The dates that days are counted from, out of a clinical table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medcl.study.dates import read_dates
from medcl.study.errors import BadInput
from medcl.study.ids import match_ids
from medcl.study.names import nearest, reserved_name, same_column
from medcl.study.problems import Problems
from medcl.study.table import read_table

_SHOWN = 5


def reference_dates(file: Path, column: str, patients: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The ISO date of each patient that the table has, and notes on those that it has not.

    Args:
        file: a table with a column patient and the dates.
        column: name of the column of dates.
        patients: as the images name them.

    Raises:
        BadInput: the table cannot be read, lacks a column, has two dates for a patient, or matches no patient.
    """
    problems = Problems(file)
    table = read_table(file, problems, recognise=lambda header: reserved_name(header) is not None)
    problems.raise_if_any()
    people = [index for index, header in enumerate(table.header) if reserved_name(header) == "patient"]
    wanted = [index for index, header in enumerate(table.header) if same_column(header, column)]
    if not people or not wanted:
        missing = "patient" if not people else column
        close = ", ".join(f"'{each}'" for each in nearest(missing, table.header)) or "none is like it"
        raise BadInput(f"--reference-date {file}: has no column '{missing}' (nearest: {close}).")
    dates = read_dates(table.column(wanted[0]), table.lines, table.header[wanted[0]], problems)
    known: dict[str, str] = {}
    for patient, date, line in zip(table.column(people[0]), dates, table.lines, strict=True):
        if date and known.setdefault(patient, date) != date:
            problems.add(f"'{patient}' has two dates: keep one", row=line, column=column, kind="two dates")
    problems.raise_if_any()
    match = match_ids(patients, known)
    found = {patient: known[each] for each, patient in match.matched.items()}
    if not found and patients:
        raise BadInput(
            f"--reference-date {file}: none of its {len(known)} patients is one of the {len(patients)} of the images: "
            "are the ids written alike?"
        )
    without = [patient for patient in patients if patient not in found]
    if not without:
        return found, []
    shown = ", ".join(without[:_SHOWN]) + (", ..." if len(without) > _SHOWN else "")
    return found, [f"{len(without)} patients have no reference date, their exams are numbered: {shown}"]
