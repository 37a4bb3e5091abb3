"""The cards of the evaluation page: one a case, with its planes and the metrics of each class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from medcl.figures.labels import SPLITS
from medcl.figures.segmentation.case import EMPTY, DrawnClass, ScoredCase, ScoredClass, millilitres, shown
from medcl.figures.segmentation.pictures import pictures

STYLE = """
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 540px), 1fr)); gap: 14px;
  margin: 10px 0 24px; }
.case { border: 1px solid var(--line); padding: 9px 13px 11px; break-inside: avoid; scroll-margin-top: 70px;
  content-visibility: auto; contain-intrinsic-size: auto 560px; }
.case h3 { display: flex; flex-wrap: wrap; gap: 2px 14px; justify-content: space-between; margin: 0 0 6px;
  font-size: 15px; font-weight: 650; overflow-wrap: anywhere; }
.case h3 span { font-weight: 400; color: var(--soft); font-size: 13px; }
.case:target h3 { text-decoration: underline; }
.case table { font-size: 12.5px; }
.case td, .case th { padding: 2px 5px; }
.case td:last-child { min-width: 0; }
.case .empty { white-space: normal; text-align: left; font-weight: 600; }
.case p { margin: 7px 0 0; font-size: 13px; }
.class { display: flex; gap: 6px; align-items: baseline; }
.swatch { flex: none; width: 1.5em; border: 2px solid; border-radius: 3px;
  text-align: center; font-size: 11px; line-height: 1.25; font-weight: 700; color: var(--ink); }
@media print { .cases { grid-template-columns: 1fr 1fr; } .case { content-visibility: visible; } }
"""

COLUMNS = {
    "dice": "Dice",
    "hd95_mm": "HD95 mm",
    "hd_mm": "HD mm",
    "assd_mm": "ASSD mm",
    "asd_prediction_to_truth_mm": "Pred. → truth mm",
    "asd_truth_to_prediction_mm": "Truth → pred. mm",
}
"""Headings of a card's table, by metric."""


def cards(cases: Sequence[ScoredCase], order: Sequence[int], classes: Sequence[DrawnClass]) -> str:
    """All cases as HTML.

    Args:
        cases: all of them.
        order: their places, in which they are shown.
        classes: of the page.
    """
    return '<div class="cases">' + "".join(_card(cases[place], place, classes) for place in order) + "</div>"


def class_name(number: int, kind: DrawnClass) -> str:
    """A class's number, from 1, in a box of its colour, and its name."""
    box = f'<span class="swatch" style="border-color:{escape(kind.colour)}">{number}</span>'
    return f'<span class="class">{box}<span>{escape(kind.name)}</span></span>'


def _card(case: ScoredCase, place: int, classes: Sequence[DrawnClass]) -> str:
    split = SPLITS.get(case.split, case.split).replace("patients", "patient") if case.split else ""
    heads = "".join(f'<th scope="col" class="number">{title}</th>' for title in COLUMNS.values())
    heads += '<th scope="col" class="number">Truth mL</th><th scope="col" class="number">Pred. mL</th>'
    rows = "".join(
        _row(number, kind, scored) for number, (kind, scored) in enumerate(zip(classes, case.classes, strict=True), 1)
    )
    remark = f"<p>{escape(case.remark)}</p>" if case.remark else ""
    mean = f"mean Dice {shown('dice', case.overall['dice'])}"
    return (
        f'<article class="case image" id="image-{place}" data-image="{place}">'
        f"<h3>{escape(case.name)}<span>{escape(' · '.join(part for part in (mean, split) if part))}</span></h3>"
        f"{pictures(case, place, classes)}"
        f'<div class="scroll"><table><thead><tr><th scope="col">Class</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{remark}</article>"
    )


def _row(number: int, kind: DrawnClass, scored: ScoredClass) -> str:
    name = f'<th scope="row">{class_name(number, kind)}</th>'
    volumes = "".join(f'<td class="number">{millilitres(ml)}</td>' for ml in (scored.truth_ml, scored.prediction_ml))
    if scored.empty:
        return f'<tr>{name}<td class="empty" colspan="{len(COLUMNS)}">{EMPTY[scored.empty]}</td>{volumes}</tr>'
    cells = "".join(f'<td class="number">{shown(metric, scored.values[metric])}</td>' for metric in COLUMNS)
    return f"<tr>{name}{cells}{volumes}</tr>"
