"""What variables a cohort has: name, kind, unit, how many values there are and what they range over."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from medcl.study.cohort import AS_VARIABLES, Cohort
from medcl.study.errors import BadInput
from medcl.study.kidney_function import NAME as DERIVED
from medcl.study.plausible import missing_unit
from medcl.study.plural import counted
from medcl.study.variable import Variable

CLASSES_SHOWN = 12


@dataclass(frozen=True)
class VariableSummary:
    """One line of `medcl list variables`.

    Attributes:
        name: the word for --variable and --color.
        header: as the table writes it.
        unit: "" when none is told.
        kind: numeric, categorical, empty (no value at all), or readings: of a laboratory table, asked for by a window.
        present, missing: number of images with and without a value.
        patients: number of patients with a value.
        censored: number of values given as a limit (`<15`).
        low, median, high: of a numeric variable; None otherwise or without values.
        classes: number of images by class of a categorical variable.
        notes: spellings that were unified.
    """

    name: str
    header: str
    unit: str
    kind: str
    present: int
    missing: int
    patients: int
    censored: int
    low: float | None
    median: float | None
    high: float | None
    classes: dict[str, int]
    notes: tuple[str, ...]

    @property
    def range(self) -> str:
        """The values in a few words: `12 to 88, median 45` or `no 30, yes 12`."""
        if self.kind == "empty":
            return "no values"
        if self.low is not None:
            return f"{self.low:g} to {self.high:g}, median {self.median:g}"
        shown = [f"{name} {count}" for name, count in list(self.classes.items())[:CLASSES_SHOWN]]
        if len(self.classes) > CLASSES_SHOWN:
            shown.append(f"... ({len(self.classes)} classes)")
        return ", ".join(shown)


def summarise(cohort: Cohort) -> list[VariableSummary]:
    """All variables of a cohort: clinical ones in the order of the tables, exam, site and the like, readings."""
    variables = list(cohort.variables.values())
    for name in (*AS_VARIABLES[1:], "days"):
        try:
            variables.append(cohort.variable(name))
        except BadInput:  # the column is absent or empty
            continue
    if DERIVED not in cohort.variables:
        with suppress(BadInput):  # creatinine, age or sex is not there
            variables.append(cohort.variable(DERIVED))
    return [_summary(cohort, variable) for variable in variables] + _readings(cohort)


def _summary(cohort: Cohort, variable: Variable) -> VariableSummary:
    present = variable.present
    patients = cohort.frame.set_index("case")["patient"].reindex(present.index).nunique()
    low = median = high = None
    if variable.kind == "numeric" and len(present):
        low, median, high = (float(value) for value in present.quantile([0, 0.5, 1]))
    categorical = variable.kind == "categorical"
    counts = {str(name): int(count) for name, count in present.value_counts().items()} if categorical else {}
    return VariableSummary(
        name=variable.name,
        header=variable.header,
        unit=variable.unit,
        kind=variable.kind if len(present) else "empty",
        present=len(present),
        missing=len(variable.values) - len(present),
        patients=int(patients),
        censored=len(variable.censored),
        low=low,
        median=median,
        high=high,
        classes={name: counts[name] for name in variable.classes},
        notes=(*variable.notes, *filter(None, [missing_unit(variable)])),
    )


def _readings(cohort: Cohort) -> list[VariableSummary]:
    """A line for each variable that has readings at their times; not for what is the same at all of them."""
    constant = {(each.file, each.name) for each in cohort.readings if each.form == "patient"}
    lines = []
    for each in cohort.readings:
        known = (each.file, each.name) in constant
        if each.form != "time" or each.kind != "numeric" or known or not len(each.frame):
            continue
        values, days = each.frame["value"].astype(float), each.frame["day"].dropna()
        with_readings = int(cohort.frame["patient"].isin(each.frame["patient"]).sum())
        low, median, high = (float(value) for value in values.quantile([0, 0.5, 1]))
        people = int(each.frame["patient"].nunique())
        told = f"{counted(len(values), 'reading')} of {counted(people, 'patient')} in {each.file.name}"
        told += f", days {days.min():g} to {days.max():g}" if len(days) else ", without days"
        lines.append(
            VariableSummary(
                each.name,
                each.header,
                each.unit,
                "readings",
                present=with_readings,
                missing=len(cohort) - with_readings,
                patients=people,
                censored=int(each.frame["limit"].sum()),
                low=low,
                median=median,
                high=high,
                classes={},
                notes=(f"{told}; asked for as {each.name}@365+-60 or {each.name}@exam+-14",),
            )
        )
    return lines
