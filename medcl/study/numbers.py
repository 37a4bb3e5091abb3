"""A column of texts as numbers, with decimal points or commas as the column, then the table, shows.

A cell such as `1,234` means 1.234 or 1234, and `1.234` too. It is read as a decimal when the other cells that are
certain use the same sign as decimal; as thousands only when the column has certain thousands signs (`1.234,5`); else
it is refused.
A unit that stands behind every number (`45 %`) is taken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medcl.study.cells import Number, is_missing, read_number
from medcl.study.units import looks_like_unit

_WITH_UNIT = re.compile(r"(?P<number>[<>=≤≥\s]*[-+−–]?\s?[0-9.,]+)\s*(?P<unit>[^0-9\s.,].*)")


@dataclass(frozen=True)
class Numbers:
    """What a column of texts is as numbers, cell by cell."""

    values: list[float | None]
    limits: list[bool]
    unreadable: list[int] = field(default_factory=list)
    ambiguous: list[int] = field(default_factory=list)
    unit: str = ""


class NumberColumn:
    """The cells of one column, parsed once; `read` decides what they mean.

    Attributes:
        cells: texts.
        parsed: what each distinct text can be as a number.
        unit: that stands behind every number; "" when there is none.
        units: all units that stand behind the numbers, when there is one behind each of them.
        conventions: decimal signs that the cells use for certain: a subset of {"point", "comma"}.
    """

    def __init__(self, cells: Sequence[str]) -> None:
        self.cells = cells
        self.parsed = {cell: read_number(cell) for cell in set(cells)}
        self.unit = ""
        self.units: list[str] = []
        if not any(self.parsed.values()):
            parsed, self.units = _without_unit(cells)
            self.parsed, self.unit = (parsed, self.units[0]) if len(self.units) == 1 else ({}, "")
        self.missing = {cell for cell in set(cells) if is_missing(cell, number=True)}
        self.conventions = _conventions(self.parsed.values())

    @property
    def share(self) -> float:
        """Share of the cells that are numbers, among those that are not missing."""
        present = [cell for cell in self.cells if cell not in self.missing]
        return sum(self.parsed.get(cell) is not None for cell in present) / max(1, len(present))

    def read(self, table_conventions: set[str]) -> Numbers:
        """The values; `table_conventions`, of all numeric columns of the table, decide where this column cannot."""
        grouped = any(number.grouped for number in self.parsed.values() if number)
        decided = {
            cell: None if number is None else _decide(number, self.conventions, table_conventions, grouped)
            for cell, number in self.parsed.items()
        }
        limits = {cell for cell, number in self.parsed.items() if number and number.limit and decided[cell] is not None}
        unclear = {cell for cell, number in self.parsed.items() if number and decided[cell] is None}
        unreadable = {cell for cell in set(self.cells) if self.parsed.get(cell) is None} - self.missing
        return Numbers(
            [decided.get(cell) for cell in self.cells],
            [cell in limits for cell in self.cells],
            [index for index, cell in enumerate(self.cells) if cell in unreadable],
            [index for index, cell in enumerate(self.cells) if cell in unclear],
            self.unit,
        )


def _conventions(numbers: Iterable[Number | None]) -> set[str]:
    found = set()
    for number in numbers:
        if number is not None and (number.point is None or number.comma is None):
            found.add("comma" if number.point is None else "point")
    return found


def _decide(number: Number, column: set[str], table: set[str], grouped: bool) -> float | None:
    """The value of a cell; None when it stays ambiguous."""
    if number.certain is not None:
        return number.certain
    assert number.point is not None
    assert number.comma is not None
    decimal = "point" if abs(number.point) < abs(number.comma) else "comma"
    as_decimal, as_thousands = sorted((number.point, number.comma), key=abs)
    signs = column or table
    if signs == {decimal}:
        return as_decimal
    if grouped and len(column) == 1:
        return as_thousands
    return None


def _without_unit(cells: Sequence[str]) -> tuple[dict[str, Number | None], list[str]]:
    """The cells without the units behind the numbers, and those units; nothing when one number has none."""
    parsed: dict[str, Number | None] = {}
    units: dict[str, str] = {}
    for cell in set(cells):
        if is_missing(cell, number=True):
            continue
        found = _WITH_UNIT.fullmatch(cell)
        if not found or not looks_like_unit(found["unit"]):
            return {}, []
        units.setdefault(re.sub(r"\s", "", found["unit"]).casefold(), found["unit"].strip())
        parsed[cell] = read_number(found["number"])
    return parsed, sorted(units.values())
