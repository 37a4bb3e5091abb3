"""A clinical variable of a cohort: one value per image, missing where the table has none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medcl.study.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["numeric", "categorical"]


@dataclass(frozen=True)
class Variable:
    """One variable.

    Attributes:
        name: canonical name (gfr).
        header: as the table writes it (`eGFR [mL/min/1.73m2]`).
        unit: from the header's brackets or behind the numbers; "" when none is told.
        kind: numeric or categorical (classes in words).
        values: by case; float with NaN, or text with None, where missing.
        censored: cases whose value was given as a limit (`<15`, `>90`) and stands for it.
        notes: what was unified on reading (spellings of a class).
    """

    name: str
    header: str
    unit: str
    kind: Kind
    values: pd.Series
    censored: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def present(self) -> pd.Series:
        """The values that are not missing."""
        return self.values.dropna()

    @property
    def classes(self) -> list[str]:
        """The classes of a categorical variable in natural order; [] of a numeric one."""
        from medcl.study.exams import exam_order

        return exam_order(self.present) if self.kind == "categorical" else []

    @property
    def label(self) -> str:
        """Name and unit for people: `gfr [mL/min/1.73m2]`."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def require_usable(variable: Variable, cases: Iterable[str] | None = None) -> None:
    """Refuse a variable that cannot tell patients apart.

    Args:
        variable: of a cohort.
        cases: only these count (the training cases, say); all when None.

    Raises:
        BadInput: every value is missing, or all that are there are equal.
    """
    wanted = list(variable.values.index if cases is None else cases)
    present = variable.values.reindex(wanted).dropna()
    where = f"column '{variable.header}' ({variable.name})"
    if present.empty:
        raise BadInput(
            f"{where} has no value in any of the {len(wanted)} images: fill the column in cohort.csv "
            "or choose another variable (`medcl list variables` shows them)."
        )
    if present.nunique() < 2:
        value = present.iloc[0]
        shown = f"{value:g}" if isinstance(value, float) else f"'{value}'"
        raise BadInput(
            f"{where} is constant: {shown} in all {len(present)} images that have a value: nothing to learn. "
            "Choose another variable (`medcl list variables` shows them)."
        )
