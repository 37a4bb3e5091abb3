"""What variables a cohort has: name, kind, unit, how many values there are and what they range over."""

from __future__ import annotations

from dataclasses import dataclass

from medcl.study.cohort import AS_VARIABLES, Cohort
from medcl.study.errors import BadInput
from medcl.study.variable import Variable

CLASSES_SHOWN = 12


@dataclass(frozen=True)
class VariableSummary:
    """One line of `medcl list variables`.

    Attributes:
        name: the word for --variable and --color.
        header: as the table writes it.
        unit: "" when none is told.
        kind: numeric or categorical.
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
        if self.low is not None:
            return f"{self.low:g} to {self.high:g}, median {self.median:g}"
        shown = [f"{name} {count}" for name, count in list(self.classes.items())[:CLASSES_SHOWN]]
        if len(self.classes) > CLASSES_SHOWN:
            shown.append(f"... ({len(self.classes)} classes)")
        return ", ".join(shown)


def summarise(cohort: Cohort) -> list[VariableSummary]:
    """All clinical variables of a cohort in the order of the table, then exam, site and the like where filled."""
    variables = list(cohort.variables.values())
    for name in (*AS_VARIABLES[1:], "days"):
        try:
            variables.append(cohort.variable(name))
        except BadInput:  # the column is absent or empty
            continue
    return [_summary(cohort, variable) for variable in variables]


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
        kind=variable.kind,
        present=len(present),
        missing=len(variable.values) - len(present),
        patients=int(patients),
        censored=len(variable.censored),
        low=low,
        median=median,
        high=high,
        classes={name: counts[name] for name in variable.classes},
        notes=variable.notes,
    )
