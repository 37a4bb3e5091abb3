"""Laboratory exports with one result a row: the name of the test in one column, its result and unit in others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medcl.study.cells import is_missing
from medcl.study.names import key
from medcl.study.table import Table
from medcl.study.units import bare_unit

TESTS = ("test", "test_name", "lab_test", "parameter", "analyte", "analysis", "measurement", "item", "variable")
RESULTS = ("value", "result", "test_result", "numeric_value", "wert", "ergebnis", "valeur", "résultat")
UNITS = ("unit", "units", "einheit", "unité")


@dataclass(frozen=True)
class ParameterColumns:
    """Indexes of the columns with the test's name, its result and, where there is one, its unit."""

    test: int
    result: int
    unit: int | None


def parameter_columns(header: Sequence[str], indexes: Sequence[int]) -> ParameterColumns | None:
    """The columns of a table with one result a row; None when it is none (both a test and a result are needed)."""
    found: list[int | None] = []
    for names in (TESTS, RESULTS, UNITS):
        keys = {key(name) for name in names}
        found.append(next((index for index in indexes if key(header[index]) in keys), None))
    test, result, unit = found
    return None if test is None or result is None else ParameterColumns(test, result, unit)


def by_parameter(table: Table, columns: ParameterColumns) -> list[tuple[list[int], Table]]:
    """For each test and unit the places of its rows and a table of one column, `creatinine [umol/L]`, of its results.

    Rows without the name of a test have no place in any of them.
    """
    tests = table.column(columns.test)
    units = table.column(columns.unit) if columns.unit is not None else [""] * len(tests)
    places: dict[tuple[str, str], list[int]] = {}
    headers: dict[tuple[str, str], str] = {}
    for place, (test, unit) in enumerate(zip(tests, units, strict=True)):
        if is_missing(test):
            continue
        stated = "" if is_missing(unit) else unit
        group = (key(test), bare_unit(stated))
        headers.setdefault(group, f"{test} [{stated}]" if stated else test)
        places.setdefault(group, []).append(place)
    results = table.column(columns.result)
    return [
        (
            rows,
            Table(
                table.file,
                [headers[group]],
                [[results[row]] for row in rows],
                [table.lines[row] for row in rows],
                table.header_line,
                table.delimiter,
            ),
        )
        for group, rows in places.items()
    ]
