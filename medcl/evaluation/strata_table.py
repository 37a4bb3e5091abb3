"""The table of clinical variables by cluster: what `strata` returns, and the variables it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy.typing as npt

from medcl.evaluation.corrected_p import Correction
from medcl.evaluation.group_difference import Difference


@dataclass(frozen=True, eq=False)
class RowVariable:
    """A clinical variable of N rows.

    Attributes:
        name: of the variable.
        unit: "" where none is told.
        kind: numeric or categorical.
        values: (N,) numbers with NaN, or text with None or "", where missing.
    """

    name: str
    unit: str
    kind: Literal["numeric", "categorical"]
    values: Sequence[object] | npt.NDArray[Any]


@dataclass(frozen=True)
class Stratum:
    """One variable in one cluster.

    Attributes:
        cluster: its number.
        known, missing: patients with and without a value.
        median, lower, upper: median and quartiles in the variable's unit; None of classes and without values.
        counts: patients by class; empty of numbers. All classes of the variable are there, 0 too.
        effect: rank-biserial correlation of this cluster against the rest, -1 to 1; None of classes and where one
            side has no value.
    """

    cluster: int
    known: int
    missing: int
    median: float | None = None
    lower: float | None = None
    upper: float | None = None
    counts: tuple[tuple[str, int], ...] = ()
    effect: float | None = None

    @property
    def percents(self) -> tuple[tuple[str, float], ...]:
        """Of the patients with a value, by class."""
        return tuple((name, 100 * count / self.known if self.known else float("nan")) for name, count in self.counts)

    @property
    def direction(self) -> str:
        """Against the rest: "higher", "lower", or "" where there is no effect."""
        return "" if not self.effect else "higher" if self.effect > 0 else "lower"


@dataclass(frozen=True)
class StrataRow:
    """One variable over all clusters.

    Attributes:
        name, unit, kind: of the variable.
        strata: of each cluster, in order.
        difference: test, p and effect size, or why there is none.
        p_corrected: over the variables of the table; NaN where there is no p.
        note: patients whose class was tied; "" otherwise.
    """

    name: str
    unit: str
    kind: str
    strata: tuple[Stratum, ...]
    difference: Difference
    p_corrected: float
    note: str


@dataclass(frozen=True)
class StrataTable:
    """The table.

    Attributes:
        rows: one a variable, in the order given.
        patients: in each cluster.
        correction: of the p-values.
        tests: variables with a p, over which was corrected.
        notes: patients in several clusters and ties, clusters without patients.
    """

    rows: tuple[StrataRow, ...]
    patients: tuple[int, ...]
    correction: Correction
    tests: int
    notes: tuple[str, ...]
