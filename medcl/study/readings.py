"""Readings: the values of one variable from one table, each of a patient and, where told, of an exam or a day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from medcl.study.variable import Kind

if TYPE_CHECKING:
    from medcl.study.variable import Variable

Form = Literal["patient", "exam", "time"]

COLUMNS = ("patient", "exam", "day", "date", "value", "limit", "row", "column")
KEY = ["patient", "exam", "day", "date", "value"]


@dataclass(frozen=True)
class Readings:
    """The values that one table has of one variable.

    Attributes:
        name: canonical name.
        header: as the table writes it (one of them in a wide table).
        unit: "" when none is told.
        kind: numeric or categorical.
        form: one value a patient, one for each exam of a patient, or any number at their times.
        file: the table.
        frame: patient, exam ("" when none), day (since the reference date), date (its ordinal; both float, NaN when not
            told), value, limit (given as `<15`), row (line of the file), column (its header); no missing values.
    """

    name: str
    header: str
    unit: str
    kind: Kind
    form: Form
    file: Path
    frame: pd.DataFrame

    def with_frame(self, frame: pd.DataFrame) -> Readings:
        """The same variable with other rows."""
        return replace(self, frame=frame)

    def once(self) -> tuple[Readings, int]:
        """Without rows that say the same again (patient, exam, time and value), and how many those were."""
        frame = self.frame.drop_duplicates(KEY)
        return self.with_frame(frame), len(self.frame) - len(frame)


def readings_of(variable: Variable, places: pd.DataFrame, file: Path, form: Form, name: str = "") -> Readings:
    """A variable as readings.

    Args:
        variable: its values stand in the order of the rows of `places`.
        places: patient, exam, day, date and row of each value.
        file: the table.
        form: what one value is of.
        name: instead of the variable's own.
    """
    values = variable.values
    there = values.notna().to_numpy()
    frame = places.assign(value=values.to_numpy(), limit=values.index.isin(variable.censored), column=variable.header)
    frame = frame.loc[there, list(COLUMNS)].reset_index(drop=True)
    return Readings(name or variable.name, variable.header, variable.unit, variable.kind, form, file, frame)
