"""One variable ready to be shown as colour: its limits for numbers, its classes for categories, and who
lacks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.figures.colours import CLASS_COLOURS
from medcl.figures.labels import capital, number, pretty_unit, readable
from medcl.study.exams import exam_order

OTHER = "other classes"
FEW_FOR_LIMITS = 20
"""Below this many values the colour scale always spans all of them."""
TAIL = 1.0
"""Skewness from which positive values are coloured by their logarithm."""
STRETCH = 1.5
"""The scale stops at the 2nd and 98th percentile when the whole range is wider than this many times
theirs."""


@dataclass(frozen=True)
class Colouring:
    """A variable over N rows.

    Attributes:
        name: the variable's canonical name.
        unit: as the table's header has it; "" when there is none.
        kind: what decides between a scale and classes.
        values: (N,) float with NaN where missing (numeric), or str with "" where missing (categorical).
        scale: key of `COLOUR_SCALES`, used for numbers.
        censored: places of the values that the table gives as a limit (`<15`) and that stand for it.
    """

    name: str
    unit: str
    kind: Literal["numeric", "categorical"]
    values: npt.NDArray[Any]
    scale: str = "viridis"
    censored: frozenset[int] = frozenset()

    @property
    def title(self) -> str:
        """Heading with unit: "Serum creatinine (µmol/L)"."""
        unit = pretty_unit(self.unit)
        return capital(f"{readable(self.name)} ({unit})" if unit else readable(self.name))

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """(N,) true where the value is missing."""
        gone = np.isnan(self.values) if self.kind == "numeric" else self.values == ""
        return np.asarray(gone, dtype=np.bool_)

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios get equal steps of colour: for positive values with a long tail, such as creatinine."""
        known = self.values[~self.missing].astype(np.float64)
        if len(known) < FEW_FOR_LIMITS or known.min() <= 0:
            return False
        return _skewness(known) > TAIL and abs(_skewness(np.log10(known))) < _skewness(known) / 2

    def shown(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values as the colour scale counts them: themselves, or their logarithm to base 10."""
        numbers = np.asarray(values, dtype=np.float64)
        return np.log10(numbers) if self.logarithmic else numbers

    def limits(self) -> tuple[float, float]:
        """The lowest and the highest colour's value; single outliers do not take the scale for themselves."""
        known = self.values[~self.missing].astype(np.float64)
        low, high = float(known.min()), float(known.max())
        if len(known) >= FEW_FOR_LIMITS:
            inner_low, inner_high = (float(edge) for edge in np.percentile(known, [2, 98]))
            span, inner = (np.ptp(self.shown(edges)) for edges in ((low, high), (inner_low, inner_high)))
            if inner > 0 and span > STRETCH * inner:
                return inner_low, inner_high
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def classes(self) -> list[str]:
        """Classes in order of time where they tell one ("D15", "M3", "M12"), else in natural order; past
        eight, the seven most frequent and `OTHER`."""
        names, counts = np.unique(self.values[~self.missing].astype(str), return_counts=True)
        frequent = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
        if len(frequent) > len(CLASS_COLOURS):
            return [*exam_order(frequent[: len(CLASS_COLOURS) - 1]), OTHER]
        return exam_order(frequent)

    def class_of(self) -> npt.NDArray[np.int64]:
        """(N,) place of each row's class in `classes()`; -1 where the value is missing."""
        classes = self.classes()
        places = {name: place for place, name in enumerate(classes)}
        other = places.get(OTHER, -1)
        return np.array(
            [
                -1 if gone else places.get(str(value), other)
                for value, gone in zip(self.values, self.missing, strict=True)
            ],
            dtype=np.int64,
        )

    def written(self, row: int) -> str:
        """One row's value as text with its unit, "missing" where there is none."""
        if self.missing[row]:
            return "missing"
        value = self.values[row]
        text = number(float(value)) if self.kind == "numeric" else str(value)
        text = f"{text} {pretty_unit(self.unit)}".strip()
        return f"{text} (given as a limit)" if row in self.censored else text


def _skewness(values: npt.NDArray[np.float64]) -> float:
    """Third standardised moment; 0 for values that are all the same."""
    spread = float(values.std())
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
