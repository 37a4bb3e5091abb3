"""Columns as clinical variables: numeric or categorical, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.columns import read_variables
from medcl.study.problems import Problems
from medcl.study.table import Table
from medcl.study.variable import Variable


def read(header: str, cells: list[str], *, delimiter: str = ",", more: dict[str, list[str]] | None = None):  # type: ignore[no-untyped-def]
    columns = {header: cells, **(more or {})}
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    file = Path("t.csv")
    table = Table(file, list(columns), rows, list(range(2, 2 + len(rows))), 1, delimiter)
    problems = Problems(file)
    variables = read_variables(table, range(len(columns)), [f"c{i}" for i in range(len(rows))], problems)
    return next(iter(variables.values())), problems.lines()


def values(variable: Variable) -> list[object]:
    return [None if value != value else value for value in variable.values]


def test_a_numeric_column() -> None:
    variable, problems = read("eGFR [mL/min/1.73m2]", ["45", "<15", "NA", "60.5"])
    assert problems == []
    assert (variable.name, variable.header, variable.unit) == ("gfr", "eGFR [mL/min/1.73m2]", "mL/min/1.73m2")
    assert variable.kind == "numeric"
    assert values(variable) == [45.0, 15.0, None, 60.5]
    assert variable.censored == {"c1"}
    assert list(variable.values.index) == ["c0", "c1", "c2", "c3"]
    assert variable.label == "gfr [mL/min/1.73m2]"


def test_a_categorical_column_keeps_missing_missing_and_unifies_spelling() -> None:
    variable, problems = read("Rejection", ["none", "None", "none", "acute", "", "unknown"])
    assert problems == []
    assert variable.kind == "categorical"
    assert values(variable) == ["none", "none", "none", "acute", None, None]
    assert variable.classes == ["acute", "none"]
    assert variable.notes == ("'None' is read as 'none' in 1 cell",)


def test_minus_is_a_class_beside_plus_and_missing_else() -> None:
    assert values(read("cmv", ["+", "-", ""])[0]) == ["+", "-", None]
    assert values(read("blood", ["A", "-", "B"])[0]) == ["A", None, "B"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "3"], "numeric"),
        (["1", "a"], "categorical"),
        (["", "NA"], "numeric"),
        (["none", "none"], "categorical"),
        (["yes", "no"], "categorical"),
        (["D15", "M3"], "categorical"),
    ],
)
def test_kind(cells: list[str], kind: str) -> None:
    variable, problems = read("x", cells)
    assert (variable.kind, problems) == (kind, [])


def test_a_few_unreadable_cells_of_a_numeric_column_are_told_with_row_and_column() -> None:
    _, problems = read("GFR", ["40", "abc", "50", "none", "60"])
    assert len(problems) == 2
    assert problems[0].startswith("t.csv, row 3, column 'GFR': 'abc' is no number, as 3 of the 5 values are")
    assert "'GFR [class]'" in problems[0]
    assert problems[1].startswith("t.csv, row 5, column 'GFR': 'none'")


def test_the_header_can_say_that_numbers_are_classes() -> None:
    variable, problems = read("banff grade [class]", ["1", "2", "2a", "1"])
    assert problems == []
    assert (variable.name, variable.kind, variable.unit) == ("banff_grade", "categorical", "")
    assert values(variable) == ["1", "2", "2a", "1"]


def test_ambiguous_cells_are_told_and_other_columns_or_the_delimiter_decide() -> None:
    cells = ["1,234", "1,300"]
    _, problems = read("a", cells, delimiter=";")
    assert len(problems) == 2
    assert "two readings" in problems[0]
    variable, problems = read("a", cells, delimiter=";", more={"b": ["4,5", "3"]})
    assert (values(variable), problems) == ([1.234, 1.3], [])
    variable, problems = read("a", ["1.234", "1.300"], delimiter=",")
    assert (values(variable), problems) == ([1.234, 1.3], [])
    assert len(read("a", ["1.234", "1.300"], delimiter=";")[1]) == 2
    assert len(read("a", cells, delimiter=",")[1]) == 2


def test_formula_errors_are_told_in_any_column() -> None:
    for cells in (["1", "2", "#REF!", "3"], ["a", "b", "#REF!", "c"]):
        _, problems = read("x", cells)
        assert len(problems) == 1
        assert "row 4" in problems[0]
        assert "formula" in problems[0]


def test_units_in_cells() -> None:
    variable, problems = read("creatinine", ["130 umol/L", "90 umol/L"])
    assert (variable.unit, values(variable), problems) == ("umol/L", [130.0, 90.0], [])
    assert read("creatinine [µmol/L]", ["130 umol/L", "90 umol/L"])[1] == []
    _, problems = read("creatinine [mg/dL]", ["130 umol/L", "90 umol/L"])
    assert "the header says 'mg/dL' and the cells say 'umol/L'" in problems[0]
