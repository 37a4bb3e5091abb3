"""The cohort (cohort.csv): one row per image with patient, exam, sequence and clinical variables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from medcl.study.columns import distinct_columns, missing_column, read_variables
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order, natural_key
from medcl.study.names import canonical_name, key, nearest, reserved_name
from medcl.study.plausible import refuse_other_unit
from medcl.study.problems import Problems
from medcl.study.rows import RowReader
from medcl.study.table import Table, read_table
from medcl.study.variable import Variable
from medcl.study.window import Request, parse_request

if TYPE_CHECKING:
    from medcl.study.readings import Readings
    from medcl.study.timeline import Timeline

REQUIRED = ("patient", "image")
AS_VARIABLES = ("patient", "exam", "sequence", "modality", "site", "scanner", "split")


@dataclass(frozen=True)
class Cohort:
    """A read and checked cohort table.

    Attributes:
        frame: one row per image; columns case, patient, exam, sequence, image, modality, mask, split, site,
            scanner, date, reference_date (texts, "" where missing; image and mask absolute paths, dates ISO), days
            (float, NaN where missing) and row (line number in the file).
        file: the table.
        variables: the clinical variables by canonical name, those of clinical tables among them.
        notes: spellings that were unified in the columns exam, sequence, site and scanner; how clinical tables joined.
        own: the variables of cohort.csv alone.
        readings: of the clinical tables, under the cohort's own names of patients and exams.
        timeline: when images and readings were; None without clinical tables.
    """

    frame: pd.DataFrame
    file: Path
    variables: dict[str, Variable]
    notes: tuple[str, ...] = ()
    own: dict[str, Variable] = field(default_factory=dict)
    readings: tuple[Readings, ...] = ()
    timeline: Timeline | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def cases(self) -> list[str]:
        """The unique names of the images, in the order of the table."""
        return list(self.frame["case"])

    def patients(self) -> list[str]:
        """The patients in natural order (P2 before P10)."""
        return sorted(set(self.frame["patient"]), key=natural_key)

    def exams(self) -> list[str]:
        """The exam labels in order of time (D15, D30, M3, M12)."""
        return exam_order(label for label in self.frame["exam"] if label)

    def sequences(self) -> list[str]:
        """The sequence labels in natural order."""
        return exam_order(label for label in self.frame["sequence"] if label)

    def variable(self, text: str) -> Variable:
        """The variable that a text asks for.

        `gfr` is a clinical variable (or one of the columns in AS_VARIABLES, or days); `gfr@M12` the patient's value at
        an exam; `screat@365+-60` and `screat@exam+-14:median` are made of readings in a window (see window.py);
        `egfr_ckdepi2021` is computed from creatinine, age and sex (see kidney_function.py).

        Raises:
            BadInput: no column is named so (lists the nearest ones), or nothing is known of that exam or window.
        """
        plain = self._named(text)
        if plain is not None:
            return plain
        request = parse_request(text)
        if request.exam is None and request.window is None:
            return self._without_window(request.name)
        return self._requested(request)

    def _named(self, name: str) -> Variable | None:
        wanted = key(canonical_name(name))
        for variable in self.variables.values():
            if key(variable.name) == wanted:
                return variable
        reserved = reserved_name(name)
        if reserved in (*AS_VARIABLES, "days"):
            variable = self._reserved(reserved)
            if len(variable.present):
                return variable
        return None

    def _without_window(self, name: str) -> Variable:
        from medcl.study.kidney_function import derived_variable, is_derived

        if is_derived(name):
            return derived_variable(self)
        found = next((each for each in self.readings if key(each.name) == key(canonical_name(name))), None)
        if found is not None:
            raise BadInput(
                f"'{name}' has readings at many times in {found.file} and no value of its own for an image: say which "
                f"count, as in {found.name}@365+-60 (days) or {found.name}@exam+-14 (around each image's exam)."
            )
        raise BadInput(self._unknown(name))

    def _requested(self, request: Request) -> Variable:
        from medcl.study.creatinine import CREATININE
        from medcl.study.kidney_function import NAME, derived_readings, is_derived
        from medcl.study.window_values import readings_named, requested_value

        if is_derived(request.name) and self._named(request.name) is None:
            derived = derived_readings(self, readings_named(self, CREATININE, exams=request.exam is not None))
            return requested_value(self, replace(request, name=NAME), derived)
        names = [*self.variables, *(each.name for each in self.readings)]
        name = next((each for each in names if key(each) == key(canonical_name(request.name))), None)
        if name is None:
            hint = " Readings may stand in a table to be named with --clinical FILE." if request.window else ""
            raise BadInput(self._unknown(request.name) + hint)
        readings = readings_named(self, name, exams=request.exam is not None)
        return requested_value(self, replace(request, name=name), readings)

    def _reserved(self, name: str) -> Variable:
        column = self.frame.set_index("case")[name].rename(name)
        if name == "days":
            return Variable(name, name, "days", "numeric", column)
        return Variable(name, name, "", "categorical", column.astype(object).where(column != "", None))

    def _unknown(self, name: str) -> str:
        there = [each for each in AS_VARIABLES if (self.frame[each] != "").any()]
        headers = {variable.header: variable.name for variable in self.variables.values()}
        headers |= {each.header: each.name for each in self.readings if each.name not in self.variables}
        close = nearest(name, [*headers, *there])
        shown = ", ".join(f"'{each}' ({headers[each]})" if each in headers else f"'{each}'" for each in close)
        if shown:
            return f"{self.file} has no column '{name}'. Nearest: {shown}. `medcl list variables` shows all."
        if not headers:
            return f"{self.file} has no column '{name}', and no clinical variable at all: add it as a column."
        every = ", ".join(dict.fromkeys(headers.values()))
        return f"{self.file} has no column '{name}' nor one like it. The variables are: {every}."


def read_cohort(path: Path, *, need_images: bool = True) -> Cohort:
    """Read cohort.csv.

    Args:
        path: the table.
        need_images: whether every image and mask must exist on this machine.

    Raises:
        BadInput: with everything that is wrong in the table, each problem with its row and column.
    """
    path = Path(path)
    problems = Problems(path)
    table = read_table(path, problems, recognise=lambda header: reserved_name(header) is not None)
    columns, others = _assign(table, problems)
    if table.header and not table.rows and not problems:
        problems.add("has no rows yet: add one row per image below the header")
    reader = RowReader(table, columns, problems)
    frame, notes = reader.frame(need_images)
    variables = read_variables(table, others, list(frame["case"]), problems)
    for variable in variables.values():
        refuse_other_unit(variable, problems)
    problems.raise_if_any()
    return Cohort(frame, path, variables, tuple(notes), own=variables)


def _assign(table: Table, problems: Problems) -> tuple[dict[str, int], list[int]]:
    """Which column is which reserved one, and the indexes of the clinical variables."""
    firsts = distinct_columns(table, problems)
    columns = {name: index for index in firsts if (name := reserved_name(table.header[index]))}
    others = [index for index in firsts if index not in columns.values()]
    if table.header:
        for name in REQUIRED:
            if name not in columns:
                problems.add(missing_column(name, [table.header[index] for index in others]))
    return columns, others
