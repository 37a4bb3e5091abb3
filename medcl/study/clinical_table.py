"""Reads one clinical table: one row a patient (wide), one a patient and exam, or laboratory readings at their times."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from medcl.study.columns import distinct_columns, missing_column, numbers_of, read_variables, table_signs
from medcl.study.creatinine import CREATININE
from medcl.study.dates import read_dates
from medcl.study.names import key, reserved_name
from medcl.study.numbers import NumberColumn
from medcl.study.parameter_table import by_parameter, parameter_columns
from medcl.study.plausible import refuse_other_unit
from medcl.study.problems import Problems
from medcl.study.readings import Form, Readings, readings_of
from medcl.study.reserved_columns import ReservedColumns
from medcl.study.spelling import unify
from medcl.study.table import Table, read_table
from medcl.study.time_column import days_per_unit
from medcl.study.timeline import ordinals
from medcl.study.units import bare_unit
from medcl.study.variable import Variable
from medcl.study.wide_table import ExamColumn, exam_columns

READ = ("patient", "exam", "date", "days", "reference_date")
"""Reserved columns that mean something in a clinical table; others (site, sequence, ...) belong in cohort.csv."""

IDENTIFYING = frozenset(
    map(
        key,
        (
            *("name", "full name", "first name", "last name", "surname", "family name", "given name", "forename"),
            *("birth date", "date of birth", "birthdate", "birthday", "dob", "geburtsdatum", "date de naissance"),
            *("nom", "prénom", "vorname", "nachname", "address", "street", "phone", "telephone", "email", "e-mail"),
            *("mrn", "medical record number", "social security number", "ssn", "insurance number", "accession number"),
        ),
    )
)
"""Columns that hospitals' tables often have and that must not reach a page or a table of features."""

DAY_DECIMALS = 4
"""To which days are rounded that a table tells in other units: 0.0821355236 years are day 30, not just before it."""


@dataclass(frozen=True)
class ClinicalTable:
    """One clinical table as read; patients as the table writes them.

    Attributes:
        file: the table.
        form: what one row is of.
        patients: the distinct patients.
        readings: each variable; a wide table has one for each variable, whatever the number of its exams.
        references: ISO date from which a patient's days count.
        notes: what was assumed.
    """

    file: Path
    form: Form
    patients: list[str]
    readings: list[Readings]
    references: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_clinical_table(file: Path, exams: Collection[str] = ()) -> ClinicalTable:
    """Read a clinical table.

    Args:
        file: CSV, also packed with gzip.
        exams: labels of the cohort; headers that end in one are columns of that exam.

    Raises:
        BadInput: with everything that is wrong in it, each problem with its row and column.
    """
    problems = Problems(Path(file))
    table = read_table(Path(file), problems, recognise=lambda header: reserved_name(header) in READ)
    reader = _Reader(table, problems, distinct_columns(table, problems))
    found = reader.read(exams)
    problems.raise_if_any()
    return found


class _Reader(ReservedColumns):
    """Reads the columns of one table."""

    def __init__(self, table: Table, problems: Problems, indexes: Sequence[int]) -> None:
        self.table, self.problems = table, problems
        self.notes: list[str] = []
        named = {name: index for index in indexes if (name := reserved_name(table.header[index]))}
        self.columns = {name: index for name, index in named.items() if name in READ}
        self.left_out = [table.header[index] for name, index in named.items() if name not in READ]
        self.identifying = [table.header[index] for index in indexes if key(table.header[index]) in IDENTIFYING]
        self.others = [
            index for index in indexes if index not in named.values() and table.header[index] not in self.identifying
        ]
        self._find_patient()
        self._find_time()
        self.parameters = parameter_columns(table.header, self.others)
        self.form: Form = "patient"

    def read(self, exams: Collection[str]) -> ClinicalTable:
        table, problems = self.table, self.problems
        if table.header and not table.rows and not problems:
            problems.add("has no rows")
        patients = self.texts("patient")
        for cell, line in zip(patients, table.lines, strict=True):
            if not cell and "patient" in self.columns:
                problems.add(
                    "is empty: every row needs a patient", row=line, column=self.header("patient"), kind="no id"
                )
        labels, notes = unify(self.texts("exam"))
        self.notes += [f"column '{self.header('exam')}': {note}" for note in notes]
        places = pd.DataFrame({"patient": patients, "exam": labels, "row": table.lines}, dtype=object)
        places["day"], places["date"] = self._days(), self._dates("date")
        self.form = self._form(places)
        readings = self._variables(places, exams) if self.parameters is None else self._parameters(places)
        if self.left_out:
            listed = ", ".join(f"'{header}'" for header in self.left_out)
            self.notes.append(f"{listed}: not read, such columns belong in cohort.csv")
        if self.identifying:
            listed = ", ".join(f"'{header}'" for header in self.identifying)
            self.notes.append(f"{listed}: not read, since it tells who people are")
        references = self._references(patients)
        return ClinicalTable(table.file, self.form, list(dict.fromkeys(patients)), readings, references, self.notes)

    def _find_patient(self) -> None:
        """In a clinical table a column `id` can only be the patient's."""
        if "patient" in self.columns or not self.table.header:
            return
        ids = [index for index in self.others if key(self.table.header[index]) == "id"]
        if ids:
            self.columns["patient"] = ids[0]
            self.others.remove(ids[0])
        else:
            self.problems.add(missing_column("patient", [self.table.header[index] for index in self.others]))

    def _find_time(self) -> None:
        """Columns of times other than days: `years`, `time [weeks]`; one is taken, several are refused."""
        times = [index for index in self.others if days_per_unit(self.table.header[index]) is not None]
        if "days" not in self.columns and len(times) == 1:
            self.columns["days"] = times[0]
            self.others.remove(times[0])
        elif len(times) > 1:
            listed = ", ".join(f"'{self.table.header[index]}'" for index in times)
            self.problems.add(f"the columns {listed} all look like the time of the reading: keep one, as 'days'")

    def _days(self) -> np.ndarray:
        """Days since the reference date of each row, NaN where not told."""
        header = self.header("days")
        unit = days_per_unit(header) or 1.0
        if unit != 1:
            self.notes.append(f"column '{header}' is read as times since the reference date, {unit:g} days each")
        column = NumberColumn(self.texts("days"))
        numbers = numbers_of(header, column, self.table.lines, self.problems, table_signs(self.table, [column]))
        days = np.array(numbers.values, dtype=np.float64) * unit
        return days if unit == 1 else days.round(DAY_DECIMALS)

    def _dates(self, name: str) -> np.ndarray:
        """Ordinals of the dates of a column, NaN where missing."""
        return ordinals(read_dates(self.texts(name), self.table.lines, self.header(name), self.problems))

    def _references(self, patients: Sequence[str]) -> dict[str, str]:
        """The reference date of each patient; two of one patient are a problem."""
        column = self.header("reference_date")
        dates = read_dates(self.texts("reference_date"), self.table.lines, column, self.problems)
        references: dict[str, str] = {}
        for patient, date, line in zip(patients, dates, self.table.lines, strict=True):
            if date and references.setdefault(patient, date) != date:
                message = f"patient '{patient}' has {references[patient]} in another row: a patient has one"
                self.problems.add(message, row=line, column=column, kind="two reference dates")
        return references

    def _form(self, places: pd.DataFrame) -> Form:
        timed = "days" in self.columns or "date" in self.columns
        who = ["patient"]
        if self.parameters is not None:  # a patient has a row for each test
            who, places = ["patient", "test"], places.assign(test=self.table.column(self.parameters.test))
        if "exam" in self.columns:
            again = places.duplicated([*who, "exam"])
            if places["exam"].ne("").all() and not again.any():
                return "exam"
            if not timed:
                self._tell(places[places["exam"].eq("")], "has no exam: every row needs one", "no exam")
                self._tell(
                    places[again & places["exam"].ne("")],
                    "the patient has this exam already, in a row above: keep one, or add a column days or date",
                    "exam twice",
                )
                return "exam"
        if timed:
            return "time"
        again = places.duplicated(who) & places["patient"].ne("")
        self._tell(
            places[again],
            "the patient has a row already, above: a table without a column exam, days or date has one row a patient",
            "patient twice",
        )
        return "patient"

    def _tell(self, rows: pd.DataFrame, message: str, kind: str) -> None:
        for patient, line in zip(rows["patient"], rows["row"], strict=True):
            self.problems.add(f"patient '{patient}': {message}", row=int(line), kind=kind)

    def _variables(self, places: pd.DataFrame, exams: Collection[str]) -> list[Readings]:
        variables = self._read(self.table, self.others)
        return self._wide(variables, places, exams) if self.form == "patient" else self._long(variables, places)

    def _parameters(self, places: pd.DataFrame) -> list[Readings]:
        """The variables of a table with one result a row."""
        assert self.parameters is not None
        readings = []
        signs = NumberColumn(self.table.column(self.parameters.result)).conventions
        for rows, table in by_parameter(self.table, self.parameters):
            readings += self._long(self._read(table, [0], signs), places.iloc[rows])
        names = ", ".join(dict.fromkeys(each.name for each in readings))
        self.notes.append(f"'{self.table.header[self.parameters.test]}' names the tests: {names}")
        return readings

    def _read(self, table: Table, indexes: Sequence[int], signs: Set[str] = frozenset()) -> dict[str, Variable]:
        variables = read_variables(table, indexes, [str(line) for line in table.lines], self.problems, signs)
        for variable in variables.values():
            refuse_other_unit(variable, self.problems)
        return variables

    def _long(self, variables: dict[str, Variable], places: pd.DataFrame) -> list[Readings]:
        readings, constant = [], []
        for variable in variables.values():
            found = readings_of(variable, places, self.table.file, self.form)
            readings.append(found)
            if self.form == "time" and _is_constant(found.frame):
                once = found.frame.drop_duplicates("patient").assign(exam="", day=np.nan, date=np.nan)
                readings.append(Readings(found.name, found.header, found.unit, found.kind, "patient", found.file, once))
                constant.append(found.name)
        if constant:
            self.notes.append(f"{', '.join(constant)}: the same in all rows of a patient, so also the patient's value")
        return readings

    def _wide(self, variables: dict[str, Variable], places: pd.DataFrame, exams: Collection[str]) -> list[Readings]:
        split = exam_columns([variable.header for variable in variables.values()], exams)
        readings, parts = [], dict[str, list[tuple[ExamColumn, Readings]]]()
        for variable in variables.values():
            column = split.get(variable.header)
            if column is None:
                readings.append(readings_of(variable, places, self.table.file, "patient"))
                continue
            found = readings_of(variable, places.assign(exam=column.exam), self.table.file, "exam", name=column.name)
            parts.setdefault(column.name, []).append((column, found))
        for name, columns in parts.items():
            readings += self._joined([found for _, found in columns])
            listed = ", ".join(f"'{found.header}'" for _, found in columns)
            self.notes.append(f"{listed}: {name} at {', '.join(column.exam for column, _ in columns)}")
        return readings

    def _joined(self, parts: Sequence[Readings]) -> list[Readings]:
        """The columns of one variable at several exams as one, or as one for each unit.

        Where all columns that state a unit state the same, the others have it too; not so creatinine. An empty column
        says nothing of its kind.
        """
        filled = [part for part in parts if len(part.frame)] or list(parts[:1])
        if len({part.kind for part in filled}) > 1:
            listed = ", ".join(f"'{part.header}' ({part.kind})" for part in filled)
            self.problems.add(f"the columns {listed} are one variable at several exams, but of several kinds")
        units = list(dict.fromkeys(bare_unit(part.unit) for part in filled))
        if len(set(units) - {""}) == 1 and filled[0].name != CREATININE:
            unit = next(part.unit for part in filled if part.unit)
            filled, units = [replace(part, unit=unit) for part in filled], [bare_unit(unit)]
        joined = []
        for unit in units:
            same = [part for part in filled if bare_unit(part.unit) == unit]
            joined.append(same[0].with_frame(pd.concat([part.frame for part in same], ignore_index=True)))
        return joined


def _is_constant(frame: pd.DataFrame) -> bool:
    """Whether every patient has one value only, though some have several rows."""
    if not frame["patient"].duplicated().any():
        return False
    return len(frame.drop_duplicates(["patient", "value"])) == frame["patient"].nunique()
