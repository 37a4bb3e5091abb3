"""Turns the columns of a cohort table that medcl does not itself read into clinical variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

import pandas as pd

from medcl.study.cells import is_broken, is_missing
from medcl.study.names import RESERVED, canonical_name, key, nearest
from medcl.study.numbers import NumberColumn, Numbers
from medcl.study.plausible import RANGES
from medcl.study.problems import Problems
from medcl.study.spelling import unify
from medcl.study.table import Table
from medcl.study.units import bare_unit, split_unit
from medcl.study.variable import Variable

MOST = 0.5
"""A column is numeric when more than this share of its cells that are not missing are numbers."""

CLASS_MARKS = frozenset({"class", "classes", "category", "categories", "categorical"})
"""In brackets in a header these make the column categorical whatever it holds: `banff grade [class]`."""


def distinct_columns(table: Table, problems: Problems) -> list[int]:
    """The first column of each meaning; several that mean the same go to `problems`."""
    groups: dict[str, list[int]] = {}
    for index, header in enumerate(table.header):
        groups.setdefault(key(canonical_name(header)), []).append(index)
    for indexes in groups.values():
        if len(indexes) > 1:
            listed = " and ".join(f"{index + 1} ('{table.header[index]}')" for index in indexes)
            name = canonical_name(table.header[indexes[0]])
            problems.add(
                f"columns {listed} both mean {name}: keep one, or rename the others so that they say what differs"
            )
    return [indexes[0] for indexes in groups.values()]


def missing_column(name: str, others: Sequence[str]) -> str:
    """What to tell when a required column is not there, from the headers of the other columns."""
    close = nearest(name, others)
    message = f"the required column '{name}' is missing"
    if close:
        listed = " or ".join(f"'{each}'" for each in close)
        return f"{message}; did you mean it by {listed}? Then rename that column '{name}'"
    known = ", ".join(RESERVED[name][:4])
    there = ", ".join(f"'{each}'" for each in others) or "none"
    return f"{message} (also known as {known}, ...); the other columns are {there}"


def read_variables(
    table: Table, indexes: Sequence[int], cases: Sequence[str], problems: Problems, signs: Set[str] = frozenset()
) -> dict[str, Variable]:
    """The variables in the columns `indexes` of a table, by canonical name.

    Args:
        table: its rows belong to `cases` one by one.
        indexes: columns to read.
        cases: unique name of each row's image.
        problems: receives unreadable and ambiguous cells, with row and column.
        signs: decimal signs that are in use elsewhere in the file, when the table is a part of it.
    """
    cells = {index: table.column(index) for index in indexes}
    columns = {index: NumberColumn(cells[index]) for index in indexes}
    numeric = {index for index in indexes if _is_numeric(table.header[index], columns[index])}
    in_use = table_signs(table, [columns[index] for index in numeric]) | signs
    variables = {}
    for index in indexes:
        header = table.header[index]
        _refuse_broken(header, cells[index], table.lines, problems)
        if index in numeric:
            variable = _numeric(header, columns[index], cases, in_use, table.lines, problems)
        else:
            _refuse_mixed_units(header, columns[index], problems)
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
    if unit and numbers.unit and bare_unit(unit) != bare_unit(numbers.unit):
        problems.add(f"the header says '{unit}' and the cells say '{numbers.unit}': correct one of them", column=header)
    values = pd.Series(numbers.values, index=list(cases), dtype="float64", name=canonical_name(header))
    censored = frozenset(case for case, limit in zip(cases, numbers.limits, strict=True) if limit)
    return Variable(canonical_name(header), header, unit or numbers.unit, "numeric", values, censored)


def _categorical(header: str, cells: Sequence[str], cases: Sequence[str]) -> Variable:
    minus_is_class = "+" in cells  # CMV status + / -
    empty = {cell for cell in set(cells) if is_missing(cell) and not (minus_is_class and cell == "-")}
    words = ["" if cell in empty else cell for cell in cells]
    unified, notes = unify(words)
    name = canonical_name(header)
    values = pd.Series([cell or None for cell in unified], index=list(cases), dtype=object, name=name)
    unit = split_unit(header)[1]
    unit = "" if unit.casefold() in CLASS_MARKS else unit
    return Variable(name, header, unit, "categorical", values, notes=tuple(notes))


def _refuse_mixed_units(header: str, column: NumberColumn, problems: Problems) -> None:
    """A laboratory value whose cells are in several units would otherwise be read as classes."""
    if len(column.units) > 1 and canonical_name(header) in RANGES:
        listed = ", ".join(f"'{unit}'" for unit in column.units)
        problems.add(f"the cells state several units ({listed}): write all values in one", column=header)


def _refuse_broken(header: str, cells: Sequence[str], lines: Sequence[int], problems: Problems) -> None:
    broken = {cell for cell in set(cells) if is_broken(cell)}
    for cell, line in zip(cells, lines, strict=True) if broken else ():
        if cell in broken:
            problems.add(
                f"'{cell}' is the error of a spreadsheet formula: repair the formula or empty the cell",
                row=line,
                column=header,
                kind="formula error",
            )
