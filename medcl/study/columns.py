"""Turns the columns of a cohort table that medcl does not itself read into clinical variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from medcl.study.cells import is_broken, is_missing
from medcl.study.names import canonical_name
from medcl.study.numbers import NumberColumn, Numbers
from medcl.study.problems import Problems
from medcl.study.spelling import unify
from medcl.study.table import Table
from medcl.study.units import split_unit
from medcl.study.variable import Variable

MOST = 0.5
"""A column is numeric when more than this share of its cells that are not missing are numbers."""

CLASS_MARKS = frozenset({"class", "classes", "category", "categories", "categorical"})
"""In brackets in a header these make the column categorical whatever it holds: `banff grade [class]`."""


def read_variables(
    table: Table, indexes: Sequence[int], cases: Sequence[str], problems: Problems
) -> dict[str, Variable]:
    """The variables in the columns `indexes` of a table, by canonical name.

    Args:
        table: its rows belong to `cases` one by one.
        indexes: columns to read.
        cases: unique name of each row's image.
        problems: receives unreadable and ambiguous cells, with row and column.
    """
    cells = {index: table.column(index) for index in indexes}
    columns = {index: NumberColumn(cells[index]) for index in indexes}
    numeric = {index for index in indexes if _is_numeric(table.header[index], columns[index])}
    signs = table_signs(table, [columns[index] for index in numeric])
    variables = {}
    for index in indexes:
        header = table.header[index]
        _refuse_broken(header, cells[index], table.lines, problems)
        if index in numeric:
            variable = _numeric(header, columns[index], cases, signs, table.lines, problems)
        else:
            variable = _categorical(header, cells[index], cases)
        variables[variable.name] = variable
    return variables


def table_signs(table: Table, columns: Iterable[NumberColumn]) -> set[str]:
    """The decimal signs in use in numeric columns of a table; of a table with `,` between columns points unless told.

    With `;` or tabs between the columns either sign is usual, and a table in which no cell is certain tells nothing.
    """
    signs = set().union(*(column.conventions for column in columns))
    return signs or ({"point"} if table.delimiter == "," else set())


def numbers_of(header: str, column: NumberColumn, lines: Sequence[int], problems: Problems, signs: set[str]) -> Numbers:
    """A column as numbers; cells that are none, or have two meanings, go to `problems`."""
    numbers = column.read(signs)
    cells = column.cells
    total = sum(cell not in column.missing for cell in cells)
    for index in numbers.unreadable:
        if not is_broken(cells[index]):
            problems.add(
                f"'{cells[index]}' is no number, as {total - len(numbers.unreadable)} of the {total} values "
                "are: correct it or leave the cell empty; "
                f"if the column holds classes, name it '{split_unit(header)[0]} [class]'",
                row=lines[index],
                column=header,
                kind="not a number",
            )
    for index in numbers.ambiguous:
        problems.add(
            f"'{cells[index]}' has two readings (thousands sign or decimal sign) and the other cells do not "
            "tell which: write it without thousands sign, with the decimal sign that the whole column uses",
            row=lines[index],
            column=header,
            kind="ambiguous number",
        )
    return numbers


def _is_numeric(header: str, column: NumberColumn) -> bool:
    if split_unit(header)[1].casefold() in CLASS_MARKS:
        return False
    return all(is_missing(cell) for cell in set(column.cells)) or column.share > MOST


def _numeric(
    header: str,
    column: NumberColumn,
    cases: Sequence[str],
    signs: set[str],
    lines: Sequence[int],
    problems: Problems,
) -> Variable:
    numbers = numbers_of(header, column, lines, problems, signs)
    unit = split_unit(header)[1]
    if unit and numbers.unit and _bare(unit) != _bare(numbers.unit):
        problems.add(f"the header says '{unit}' and the cells say '{numbers.unit}': correct one of them", column=header)
    values = pd.Series(numbers.values, index=list(cases), dtype="float64", name=canonical_name(header))
    censored = frozenset(case for case, limit in zip(cases, numbers.limits, strict=True) if limit)
    return Variable(canonical_name(header), header, unit or numbers.unit, "numeric", values, censored)


def _categorical(header: str, cells: Sequence[str], cases: Sequence[str]) -> Variable:
    minus_is_class = "+" in cells  # CMV status + / -
    words = ["" if is_missing(cell) and not (minus_is_class and cell == "-") else cell for cell in cells]
    unified, notes = unify(words)
    name = canonical_name(header)
    values = pd.Series([cell or None for cell in unified], index=list(cases), dtype=object, name=name)
    unit = split_unit(header)[1]
    unit = "" if unit.casefold() in CLASS_MARKS else unit
    return Variable(name, header, unit, "categorical", values, notes=tuple(notes))


def _refuse_broken(header: str, cells: Sequence[str], lines: Sequence[int], problems: Problems) -> None:
    for cell, line in zip(cells, lines, strict=True):
        if is_broken(cell):
            problems.add(
                f"'{cell}' is the error of a spreadsheet formula: repair the formula or empty the cell",
                row=line,
                column=header,
                kind="formula error",
            )


def _bare(unit: str) -> str:
    return "".join(unit.casefold().split()).replace("µ", "u").replace("μ", "u")
