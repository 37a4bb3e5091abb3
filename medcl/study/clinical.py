"""Joins clinical tables to a cohort by patient and exam, and reports what did not match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from medcl.study.clinical_table import ClinicalTable, read_clinical_table
from medcl.study.creatinine import CREATININE, creatinine_factor
from medcl.study.errors import BadInput
from medcl.study.ids import IdMatch, match_ids
from medcl.study.names import RESERVED
from medcl.study.plural import counted
from medcl.study.readings import Readings
from medcl.study.spelling import folded
from medcl.study.timeline import Timeline, ordinals
from medcl.study.units import bare_unit
from medcl.study.variable import Variable
from medcl.study.wide_table import match_exams

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

SAME_VALUE = 0.01
"""Relative difference up to which two tables say the same of an image: one of them is rounded."""

SHOWN = 5


def join_clinical(cohort: Cohort, files: Iterable[Path]) -> Cohort:
    """The cohort with the variables and readings of clinical tables beside its own.

    Args:
        cohort: as `read_cohort` made it.
        files: clinical tables.

    Raises:
        BadInput: a table cannot be used, none of its patients is in the cohort, two of its ids would be one patient, or
            two tables contradict each other.
    """
    notes = list(cohort.notes)
    problems: list[str] = []
    readings: list[Readings] = []
    references: dict[str, str] = {}
    for file in files:
        try:
            table = read_clinical_table(file, cohort.exams())
        except BadInput as error:
            problems += error.problems
            continue
        match = match_ids(cohort.patients(), table.patients)
        problems += _refused(table, match, cohort)
        notes += [f"{file.name}: {note}" for note in [*table.notes, *_id_notes(match, cohort)]]
        found, told = _matched(table, match, cohort)
        readings += found
        notes += [f"{file.name}: {note}" for note in told]
        for each, date in table.references.items():
            patient = match.matched.get(each)
            if patient and references.setdefault(patient, date) != date:
                problems.append(
                    f"{file}: patient '{each}' has the reference date {date}, elsewhere {references[patient]}."
                )
    if problems:
        raise BadInput(problems)
    known = dict(zip(references, ordinals(references.values()), strict=True))
    timeline = Timeline.of(cohort.frame, known)
    readings = [timeline.complete(each) for each in readings]
    variables = dict(cohort.variables)
    for name in dict.fromkeys(each.name for each in readings if each.form != "time"):
        sources = [each for each in readings if each.name == name and each.form != "time"]
        variables[name] = _variable(cohort, variables.get(name), sources, problems)
    if problems:
        raise BadInput(problems)
    return replace(cohort, variables=variables, readings=tuple(readings), timeline=timeline, notes=tuple(notes))


def _refused(table: ClinicalTable, match: IdMatch, cohort: Cohort) -> list[str]:
    problems = [
        f"{table.file}: {_listed(names)} would all be patient '{patient}' of {cohort.file.name}: write the id of each "
        f"as {cohort.file.name} does, and rename or remove those of other people."
        for patient, names in match.twice.items()
    ]
    if not match.matched and not match.twice:
        problems.append(
            f"{table.file}: none of its {counted(len(table.patients), 'patient')} ({_listed(table.patients)}) is in "
            f"{cohort.file.name}, whose patients are {_listed(cohort.patients())}: write the ids alike in both."
        )
    reserved = sorted({each.name for each in table.readings} & set(RESERVED))
    return problems + [
        f"{table.file}: a variable cannot be called '{name}', which is a column of cohort.csv: rename it."
        for name in reserved
    ]


def _id_notes(match: IdMatch, cohort: Cohort) -> list[str]:
    """What matched and what did not, on either side."""
    everyone = len(cohort.patients())
    notes = [f"has {len(match.matched)} of the {everyone} patients of {cohort.file.name}"]
    if match.absent:
        notes[0] += f", and nothing of {len(match.absent)} ({_listed(match.absent)})"
    if match.respelled:
        pairs = [f"'{each}' is {patient}" for each, patient in match.respelled.items()]
        notes.append(f"written differently: {_listed(pairs, quote=False)} ({len(pairs)} in all)")
    if match.unknown:
        notes.append(f"not in {cohort.file.name}: {len(match.unknown)} of its patients ({_listed(match.unknown)})")
    for each, patients in match.ambiguous.items():
        notes.append(f"'{each}' could be {' or '.join(patients)} and is left out")
    return notes


def _matched(table: ClinicalTable, match: IdMatch, cohort: Cohort) -> tuple[list[Readings], list[str]]:
    """The readings of the cohort's patients, under the cohort's own names of patients and exams."""
    exams = match_exams((label for each in table.readings for label in set(each.frame["exam"]) - {""}), cohort.exams())
    there = set(zip(cohort.frame["patient"], cohort.frame["exam"], strict=True))
    readings, again, elsewhere = [], 0, set[tuple[str, str]]()
    for each in table.readings:
        frame = each.frame[each.frame["patient"].isin(match.matched)]
        frame = frame.assign(
            patient=frame["patient"].map(match.matched), exam=[exams.get(label, label) for label in frame["exam"]]
        )
        found, repeated = each.with_frame(frame).once()
        readings.append(found)
        if each.form == "time":
            again = max(again, repeated)
        if each.form == "exam":
            elsewhere |= set(zip(frame["patient"], frame["exam"], strict=True)) - there
    notes = [f"'{label}' is the exam {exam}" for label, exam in exams.items() if label != exam]
    if again:
        notes.append(f"{counted(again, 'row')} with the patient, time and value of another: they count once")
    if elsewhere:
        some = [f"{patient} {exam}" for patient, exam in sorted(elsewhere)]
        notes.append(f"exams in it without an image: {len(some)} ({_listed(some, quote=False)})")
    return readings, notes


def _variable(cohort: Cohort, own: Variable | None, sources: Sequence[Readings], problems: list[str]) -> Variable:
    """One variable of several tables; the first that has a value of an image gives it, and no other may contradict."""
    first = own or _empty(sources[0], cohort)
    values, censored, notes = first.values.copy(), set(first.censored), list(first.notes)
    filled_from = cohort.file.name if own is not None else ""
    for source in sources:
        where = f"{source.file}, column {_listed(list(dict.fromkeys(source.frame['column'])))}"
        same = in_unit(source, first.unit)
        if same is None or source.kind != first.kind:
            what = f"is {source.kind}" if source.kind != first.kind else f"has the unit '{source.unit or 'not stated'}'"
            other = first.kind if source.kind != first.kind else f"'{first.unit or 'not stated'}'"
            problems.append(f"{where}: {what}, but '{first.header}' elsewhere {other}: make them one, or rename it.")
            continue
        found, limits = _by_case(same, cohort, problems)
        differ = _differ(values, found)
        if differ.any():
            problems.append(_contradiction(where, first, values[differ], found[differ]))
            continue
        new = values.isna() & found.notna()
        if filled_from and new.any():
            count = counted(int(new.sum()), "image")
            notes.append(f"{count} without a value in {filled_from}: taken from {source.file.name}")
        values = values.where(~new, found)
        censored |= set(new.index[new]) & limits
        filled_from = filled_from or source.file.name
    return replace(first, values=values, censored=frozenset(censored), notes=tuple(notes))


def in_unit(readings: Readings, unit: str) -> Readings | None:
    """The readings in another unit; None when that cannot be done for certain.

    Creatinine is converted when both units are stated, and refused when one is not. Of other variables a unit that is
    not stated is taken to be the other's.
    """
    if bare_unit(readings.unit) == bare_unit(unit):
        return readings
    if readings.name != CREATININE:
        return None if readings.unit and unit else readings
    factor = creatinine_factor(readings.unit, unit)
    if factor is None:
        return None
    frame = readings.frame.assign(value=readings.frame["value"].astype(np.float64) * factor)
    return replace(readings, unit=unit, frame=frame)


def _empty(source: Readings, cohort: Cohort) -> Variable:
    dtype = "float64" if source.kind == "numeric" else object
    values = pd.Series(None, index=cohort.cases(), dtype=dtype, name=source.name)
    return Variable(source.name, source.header, source.unit, source.kind, values)


def _by_case(source: Readings, cohort: Cohort, problems: list[str]) -> tuple[pd.Series, set[str]]:
    """Each image's value, by its patient and, in tables by exam, its exam; and the cases whose value is a limit."""
    by = ["patient", "exam"] if source.form == "exam" else ["patient"]
    frame = source.frame[[*by, "value", "limit"]]
    again = frame.duplicated(by)
    if again.any():
        some = [" ".join(row) for row in frame.loc[again, by].drop_duplicates().itertuples(index=False)]
        problems.append(
            f"{source.file}: {source.name} has several values of one exam ({_listed(some, quote=False)}): keep one."
        )
    images = cohort.frame[["case", *by]].merge(frame[~again], on=by, how="left").set_index("case")
    values = images["value"].astype("float64" if source.kind == "numeric" else object)
    return values.where(values.notna(), None if source.kind == "categorical" else np.nan), set(
        images.index[images["limit"].eq(True)]
    )


def _differ(values: pd.Series, found: pd.Series) -> pd.Series:
    both = values.notna() & found.notna()
    if values.dtype == object:
        return both & (values.map(_word) != found.map(_word))
    return both & ~pd.Series(np.isclose(values, found, rtol=SAME_VALUE, atol=0), index=values.index)


def _word(value: object) -> str:
    return "" if value is None else folded(str(value))


def _contradiction(where: str, first: Variable, values: pd.Series, found: pd.Series) -> str:
    some = [f"{case}: {_shown(values[case])} and {_shown(found[case])}" for case in values.index[:SHOWN]]
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return (
        f"{where}: contradicts '{first.header}' of the tables before it in {counted(len(values), 'image')} "
        f"({'; '.join(some)}{more}): correct one of them, or rename the column when it means something else."
    )


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: Sequence[str] | Mapping[str, object], *, quote: bool = True) -> str:
    some = [f"'{name}'" if quote else name for name in list(names)[:SHOWN]]
    return ", ".join(some) + (", ..." if len(names) > SHOWN else "")
