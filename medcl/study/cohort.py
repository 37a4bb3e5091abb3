"""The cohort (cohort.csv): one row per image with patient, exam, sequence and clinical variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from medcl.study.columns import read_variables
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order, natural_key
from medcl.study.names import RESERVED, canonical_name, key, nearest, reserved_name
from medcl.study.problems import Problems
from medcl.study.rows import RowReader
from medcl.study.table import Table, read_table
from medcl.study.variable import Variable

REQUIRED = ("patient", "image")
AS_VARIABLES = ("patient", "exam", "sequence", "modality", "site", "scanner", "split")


@dataclass(frozen=True)
class Cohort:
    """A read and checked cohort table.

    Attributes:
        frame: one row per image; columns case, patient, exam, sequence, image, modality, mask, split, site,
            scanner, date (texts, "" where missing; image and mask absolute paths, date ISO), days (float,
            NaN where missing) and row (line number in the file).
        file: the table.
        variables: the clinical variables by canonical name.
        notes: spellings that were unified in the columns exam, sequence, site and scanner.
    """

    frame: pd.DataFrame
    file: Path
    variables: dict[str, Variable]
    notes: tuple[str, ...] = ()

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

    def variable(self, name: str) -> Variable:
        """The variable of that name: clinical, or one of the columns in AS_VARIABLES, or days.

        Raises:
            BadInput: no column is named so; lists the nearest ones.
        """
        wanted = key(canonical_name(name))
        for variable in self.variables.values():
            if key(variable.name) == wanted:
                return variable
        reserved = reserved_name(name)
        if reserved in (*AS_VARIABLES, "days"):
            variable = self._reserved(reserved)
            if len(variable.present):
                return variable
        raise BadInput(self._unknown(name))

    def _reserved(self, name: str) -> Variable:
        column = self.frame.set_index("case")[name].rename(name)
        if name == "days":
            return Variable(name, name, "days", "numeric", column)
        return Variable(name, name, "", "categorical", column.astype(object).where(column != "", None))

    def _unknown(self, name: str) -> str:
        there = [each for each in AS_VARIABLES if (self.frame[each] != "").any()]
        headers = {variable.header: variable.name for variable in self.variables.values()}
        close = nearest(name, [*headers, *there])
        shown = ", ".join(f"'{each}' ({headers[each]})" if each in headers else f"'{each}'" for each in close)
        if shown:
            return f"{self.file} has no column '{name}'. Nearest: {shown}. `medcl list variables` shows all."
        if not headers:
            return f"{self.file} has no column '{name}', and no clinical variable at all: add it as a column."
        every = ", ".join(headers.values())
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
    problems.raise_if_any()
    return Cohort(frame, path, variables, tuple(notes))


def _assign(table: Table, problems: Problems) -> tuple[dict[str, int], list[int]]:
    """Which column is which reserved one, and the indexes of the clinical variables."""
    groups: dict[str, list[int]] = {}
    for index, header in enumerate(table.header):
        groups.setdefault(key(canonical_name(header)), []).append(index)
    for indexes in groups.values():
        if len(indexes) > 1:
            problems.add(_same_meaning(table.header, indexes))
    firsts = [indexes[0] for indexes in groups.values()]
    columns = {name: index for index in firsts if (name := reserved_name(table.header[index]))}
    others = [index for index in firsts if index not in columns.values()]
    if table.header:
        for name in REQUIRED:
            if name not in columns:
                problems.add(_missing_column(name, [table.header[index] for index in others]))
    return columns, others


def _same_meaning(header: Sequence[str], indexes: Sequence[int]) -> str:
    listed = " and ".join(f"{index + 1} ('{header[index]}')" for index in indexes)
    name = canonical_name(header[indexes[0]])
    return f"columns {listed} both mean {name}: keep one, or rename the others so that they say what differs"


def _missing_column(name: str, others: Sequence[str]) -> str:
    close = nearest(name, others)
    message = f"the required column '{name}' is missing"
    if close:
        listed = " or ".join(f"'{each}'" for each in close)
        return f"{message}; did you mean it by {listed}? Then rename that column '{name}'"
    known = ", ".join(RESERVED[name][:4])
    there = ", ".join(f"'{each}'" for each in others) or "none"
    return f"{message} (also known as {known}, ...); the other columns are {there}"
