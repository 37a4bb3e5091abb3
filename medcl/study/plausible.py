"""Plausible ranges of known clinical variables by unit, and values outside of them.

The bounds are medcl's own and generous: what lies outside is more likely a wrong unit or a slip of the pen than a
patient. They are no reference ranges and say nothing about health.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medcl.study.problems import Problems
from medcl.study.units import bare_unit
from medcl.study.variable import Variable

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

OTHER_UNIT_SHARE = 0.5
"""A column in which more than this share of the values fits another unit only is refused."""


@dataclass(frozen=True)
class Range:
    """Lowest and highest plausible value in one unit, which may be written in several ways."""

    low: float
    high: float
    units: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.units[0]}"


_YEARS = ("years", "year", "y", "yr", "yrs", "a", "ans", "jahre")
_FRACTION = ("(fraction)", "fraction", "1", "l/l")

# fmt: off
RANGES: dict[str, tuple[Range, ...]] = {
    "gfr": (Range(0, 200, ("mL/min/1.73m2", "mL/min", "mL/min/m2", "mL/min per 1.73m2")),),
    "screat": (
        Range(15, 3000, ("umol/L",)),
        Range(0.17, 34, ("mg/dL",)),
        Range(0.015, 3, ("mmol/L",)),
    ),
    "age": (Range(0, 120, _YEARS),),
    "donor_age": (Range(0, 100, _YEARS),),
    "ejection_fraction": (Range(5, 95, ("%",)), Range(0.05, 0.95, _FRACTION)),
    "haematocrit": (Range(5, 75, ("%",)), Range(0.05, 0.75, _FRACTION)),
    "haemoglobin": (Range(2, 25, ("g/dL",)), Range(25, 250, ("g/L",)), Range(1.2, 15.5, ("mmol/L",))),
    "proteinuria": (
        Range(0, 60, ("g/24h", "g/d", "g/day", "g/g")),
        Range(0, 100, ("g/L",)),
        Range(0, 60_000, ("mg/24h", "mg/d", "mg/day", "mg/g")),
        Range(0, 10_000, ("mg/dL",)),
        Range(0, 7_000, ("mg/mmol",)),
    ),
    "weight": (Range(0.3, 400, ("kg",)),),
    "height": (Range(25, 260, ("cm",)), Range(0.25, 2.6, ("m",))),
    "bmi": (Range(7, 100, ("kg/m2",)),),
}
# fmt: on


def plausible_range(name: str, unit: str) -> Range | None:
    """The range of a known variable in a known unit."""
    wanted = bare_unit(unit)
    return next((each for each in RANGES.get(name, ()) if wanted in map(bare_unit, each.units)), None)


def refuse_other_unit(variable: Variable, problems: Problems) -> None:
    """A column most of whose values fit another unit, and not the stated one, is a problem."""
    stated = plausible_range(variable.name, variable.unit)
    if stated is None or variable.kind != "numeric" or not len(variable.present):
        return
    values = variable.present.to_numpy(dtype=np.float64)
    outside = (values < stated.low) | (values > stated.high)
    for other in RANGES[variable.name]:
        if other is stated:
            continue
        fits = outside & (values >= other.low) & (values <= other.high)
        if fits.mean() > OTHER_UNIT_SHARE:
            problems.add(
                f"{fits.sum()} of the {len(values)} values (median {np.median(values):g}) are implausible in "
                f"{variable.unit} ({stated}), but not in {other.units[0]} ({other}): correct the unit, or the values",
                column=variable.header,
            )
            return


def missing_unit(variable: Variable) -> str:
    """A sentence when a variable that is known in several units states none; "" otherwise."""
    ranges = RANGES.get(variable.name, ())
    if variable.kind != "numeric" or variable.unit or len(ranges) < 2 or not len(variable.present):
        return ""
    values = variable.present.to_numpy(dtype=np.float64)
    fits = [
        each.units[0] for each in ranges if ((values >= each.low) & (values <= each.high)).mean() > OTHER_UNIT_SHARE
    ]
    looks = f"; the values would be plausible in {' or '.join(fits)}" if fits else ""
    return f"no unit is stated{looks}: write it in the header, as in '{variable.header} [{ranges[0].units[0]}]'"


def implausible_values(cohort: Cohort) -> list[str]:
    """One line for each clinical value outside its plausible range, with file, row and column; then units not stated.

    Reads the variables of cohort.csv and of the clinical tables. After ten lines of one column the rest is counted.
    """
    files: dict[Path, Problems] = {}
    for variable in cohort.own.values():
        _tell(files.setdefault(cohort.file, Problems(cohort.file)), variable, cohort.frame["row"])
    for readings in cohort.readings:
        problems = files.setdefault(readings.file, Problems(readings.file))
        for header, frame in readings.frame.groupby("column", sort=False):
            variable = Variable(readings.name, str(header), readings.unit, readings.kind, frame["value"])
            _tell(problems, variable, frame["row"])
    return [line for problems in files.values() for line in dict.fromkeys(problems.lines())]


def _tell(problems: Problems, variable: Variable, rows: Iterable[int]) -> None:
    ranges = RANGES.get(variable.name, ())
    if variable.kind != "numeric" or not ranges:
        return
    if sentence := missing_unit(variable):
        problems.add(sentence, column=variable.header)
    stated = plausible_range(variable.name, variable.unit)
    if variable.unit and stated is None:
        known = ", ".join(each.units[0] for each in ranges)
        problems.add(f"values in '{variable.unit}' are not checked: known are {known}", column=variable.header)
        return
    allowed = [stated] if stated else list(ranges)
    values = variable.values.to_numpy(dtype=np.float64)
    inside = np.isnan(values)
    for each in allowed:
        inside |= (values >= each.low) & (values <= each.high)
    told = f"is outside {' or '.join(map(str, allowed))} (medcl's own, generous bounds)"
    cells = dict(zip(np.asarray(rows)[~inside].tolist(), values[~inside].tolist(), strict=True))  # a row is told once
    for row, value in cells.items():
        problems.add(f"{value:g} {told}", row=row, column=variable.header, kind="implausible values")
