"""A table of scores: words and numbers as they come, such as every way of classification beside its baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
table.scores { width: auto; font-size: 14px; }
table.scores td, table.scores th, table.scores thead th { padding: 3px 12px 3px 7px; }
table.scores thead th { font-weight: 650; max-width: 9em; }
table.scores td:last-child { min-width: 0; }
@media print { table.scores { font-size: 7.5pt; } }
"""

Cell = str | int | float | None


@dataclass(frozen=True)
class ScoreTable:
    """A table.

    Attributes:
        title: heading, plain text.
        heads: of the columns.
        rows: one cell a column; None where there is nothing, floats are shown to three places, words as they are.
        about: a sentence under it; "" where there is nothing to say.
    """

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    about: str = ""


def score_tables(tables: Sequence[ScoreTable]) -> str:
    """The tables as HTML, those without rows left out; nothing where none is left."""
    shown = [table for table in tables if table.rows]
    return f'<section id="scores">{"".join(map(_table, shown))}</section>' if shown else ""


def _table(table: ScoreTable) -> str:
    numeric = [any(isinstance(row[place], int | float) for row in table.rows) for place in range(len(table.heads))]
    heads = "".join(
        f'<th scope="col"{_class(is_number)}>{escape(head)}</th>'
        for head, is_number in zip(table.heads, numeric, strict=True)
    )
    rows = "".join(f"<tr>{_cells(row, numeric)}</tr>" for row in table.rows)
    title, about = escape(table.title), f"<p>{escape(table.about)}</p>" if table.about else ""
    return (
        f'<h2>{title}</h2><div class="scroll" tabindex="0" role="region" aria-label="{title}"><table class="scores">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{about}"
    )


def _cells(row: Sequence[Cell], numeric: Sequence[bool]) -> str:
    first = f'<th scope="row">{_written(row[0])}</th>'
    return first + "".join(
        f"<td{_class(is_number)}>{_written(cell)}</td>" for cell, is_number in zip(row[1:], numeric[1:], strict=True)
    )


def _class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""


def _written(cell: Cell) -> str:
    if cell is None or cell != cell:
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else escape(cell)
