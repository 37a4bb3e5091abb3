"""Tables with one result a row, taken apart by test and unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.parameter_table import ParameterColumns, by_parameter, parameter_columns
from medcl.study.table import Table


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (["patient", "Test", "Result", "Unit"], ParameterColumns(1, 2, 3)),
        (["patient", "Lab Test", "Wert"], ParameterColumns(1, 2, None)),
        (["patient", "parameter", "résultat", "unité"], ParameterColumns(1, 2, 3)),
        (["patient", "test", "gfr"], None),
        (["patient", "value", "unit"], None),
    ],
)
def test_which_columns(header: list[str], columns: ParameterColumns | None) -> None:
    assert parameter_columns(header, range(len(header))) == columns


def test_each_test_and_unit_apart() -> None:
    rows = [["GFR", "40", "mL/min"], ["Hb", "9", ""], ["gfr", "50", "ml / min"], ["Hb", "90", "g/L"], ["", "3", ""]]
    table = Table(Path("t.csv"), ["Test", "Result", "Unit"], rows, [2, 3, 5, 6, 7])
    found = [
        (places, part.header, part.rows, part.lines) for places, part in by_parameter(table, ParameterColumns(0, 1, 2))
    ]
    assert found == [
        ([0, 2], ["GFR [mL/min]"], [["40"], ["50"]], [2, 5]),
        ([1], ["Hb"], [["9"]], [3]),
        ([3], ["Hb [g/L]"], [["90"]], [6]),
    ]
