"""The two tables of the evaluation page: the summary by class, and all cases to sort and filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medcl.figures.segmentation.card import class_name
from medcl.figures.segmentation.case import DICE, HD95, DrawnClass, ScoredCase, shown
from medcl.figures.sortable_table import SCRIPT
from medcl.study.plural import counted

STYLE = """
.summary { width: auto; max-width: 100%; margin: 16px 0 6px; font-size: 14px; }
.summary td, .summary th, .summary thead th { padding: 4px 12px 4px 7px; }
.summary td:last-child { white-space: normal; min-width: 10em; }
.summary thead th { font-weight: 650; }
.summary tbody tr:last-child { border-top: 2px solid var(--ink); font-weight: 600; }
.summary small { display: block; color: var(--soft); font-size: 12px; font-weight: 400; white-space: nowrap; }
.switches { display: flex; gap: 14px; }
.tools .switches input { width: auto; }
.switches label { display: flex; gap: 5px; align-items: center; }
"""

SWITCHES = """
(function () {
  "use strict";
  for (const name of ["lines", "fill"]) {
    const box = document.getElementById("show-" + name);
    function apply() { document.body.classList.toggle("no-" + name, !box.checked); }
    box.addEventListener("change", apply);
    apply();
  }
})();
"""

MOST_COLUMNS = 6
"""Classes from which on the table of cases has no column for each class's HD95."""


@dataclass(frozen=True)
class SummaryCell:
    """One metric of one class over the cases: numbers as `Spread` has them, NaN where there are too few."""

    mean: float
    deviation: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class SummaryRow:
    """One class over the cases, or the mean over the classes.

    Attributes:
        name: of the class.
        cases: all.
        cells: by metric.
        empty: counts in words, "" where nothing was empty.
    """

    name: str
    cases: int
    cells: dict[str, SummaryCell]
    empty: str


def summary_table(rows: Sequence[SummaryRow], classes: Sequence[DrawnClass], titles: dict[str, str]) -> str:
    """The summary as HTML.

    Args:
        rows: the classes in their order, then the mean over them.
        classes: as they are drawn.
        titles: of the metrics that are shown.
    """
    heads = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles.values())
    several = any(cell.low == cell.low for row in rows for cell in row.cells.values())
    body = "".join(
        '<tr><th scope="row">'
        + (class_name(place + 1, classes[place]) if place < len(classes) else escape(row.name))
        + "</th>"
        + "".join(f"<td>{_cell(metric, row.cells[metric], several)}</td>" for metric in titles)
        + f"<td>{escape(row.empty or 'none')}</td></tr>"
        for place, row in enumerate(rows)
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Summary"><table class="summary"><thead><tr>'
        f'<th scope="col">Class</th>{heads}<th scope="col">Empty masks</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def tools() -> str:
    """The bar with the filter and the switches of the overlays; shown by the scripts that make them work."""
    switches = "".join(
        f'<label><input type="checkbox" id="show-{name}" checked> {title}</label>'
        for name, title in (("lines", "Overlays"), ("fill", "Fill and numbers"))
    )
    return (
        '<div class="tools screen-only" id="tools" hidden><label for="filter">Filter cases</label>'
        '<input type="search" id="filter" placeholder="patient, exam, split, empty …" autocomplete="off">'
        f'<output id="shown" aria-live="polite"></output><span class="switches">{switches}</span>'
        '<a href="#all">Table of all cases</a></div>'
    )


def case_table(cases: Sequence[ScoredCase], order: Sequence[int], classes: Sequence[DrawnClass]) -> str:
    """All cases as HTML, with the scripts of the page.

    Args:
        cases: all of them.
        order: their places, in the order of the rows.
        classes: of the page.
    """
    split = any(case.split for case in cases)
    columns = [DICE, HD95] if len(classes) <= MOST_COLUMNS else [DICE]
    titles = {DICE: "Dice", HD95: "HD95 mm"}
    heads = _head("Case") + (_head("Split") if split else "")
    heads += "".join(_head(f"Mean {titles[metric]}", True) for metric in (DICE, HD95))
    if len(classes) > 1:
        heads += "".join(_head(f"{titles[metric]} {each.name}", True) for metric in columns for each in classes)
    rows = "".join(_row(cases[place], place, split, columns if len(classes) > 1 else []) for place in order)
    return (
        '<div class="scroll" id="all" tabindex="0" role="region" aria-label="Table of all cases">'
        f'<table id="table"><thead><tr>{heads}{_head("Empty")}</tr></thead><tbody>{rows}</tbody></table></div>'
        f"<script>{SCRIPT}{SWITCHES}</script>"
    )


def _cell(metric: str, cell: SummaryCell, several: bool) -> str:
    """Of one patient there is no interval anywhere, and none is spoken of."""
    if cell.mean != cell.mean:
        return "–"
    spread = f" ± {shown(metric, cell.deviation)}" if cell.deviation == cell.deviation else ""
    between = f"; 95% {shown(metric, cell.low)} to {shown(metric, cell.high)}" if cell.low == cell.low else ""
    between = between or ("; no interval" if several else "")
    return f"{shown(metric, cell.mean)}{spread}<small>median {shown(metric, cell.median)}{between}</small>"


def _head(title: str, is_number: bool = False) -> str:
    kind = ' class="number"' if is_number else ""
    return f'<th scope="col" aria-sort="none"{kind}><button type="button">{escape(title)}</button></th>'


def _row(case: ScoredCase, place: int, split: bool, columns: Sequence[str]) -> str:
    cells = f"<td data-words>{escape(case.split)}</td>" if split else ""
    cells += "".join(_number(metric, case.overall[metric]) for metric in (DICE, HD95))
    cells += "".join(_number(metric, each.values[metric]) for metric in columns for each in case.classes)
    empty = sum(bool(each.empty) for each in case.classes)
    words = f"empty: {counted(empty, 'class', 'classes')}" if empty else ""
    return (
        f'<tr data-image="{place}"><th scope="row" data-words><a href="#image-{place}">{escape(case.name)}</a></th>'
        f"{cells}<td data-words>{words}</td></tr>"
    )


def _number(metric: str, value: float) -> str:
    exact = "" if value != value else f"{value:.6g}"
    return f'<td class="number" data-value="{exact}">{shown(metric, value)}</td>'
