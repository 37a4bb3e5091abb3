"""Predictions of held-out patients against what was true: numbers on both axes, classes as points or counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.figures.clustering.score_table import Cell, ScoreTable, score_tables
from medcl.figures.colour_bar import ticks
from medcl.figures.colours import CLASS_COLOURS
from medcl.figures.labels import number
from medcl.figures.strip_plot import Strip, round_limits, strip_plot

STYLE = """
.truths { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 14px 28px; }
.truths svg { display: block; width: 100%; height: auto; max-width: 460px; }
.truths text { font-size: 12.5px; fill: var(--ink); }
.truths h3 { font-size: 13.5px; margin: 8px 0 2px; font-weight: 600; overflow-wrap: anywhere; }
.truths .grid { stroke: var(--line); }
.truths .same { stroke: var(--soft); stroke-dasharray: 5 4; }
.truths circle { fill: var(--mark); fill-opacity: 0.55; stroke: var(--mark); }
.truths circle.ended { fill: var(--paper); }
.strips h3 { font-size: 13.5px; margin: 8px 0 2px; font-weight: 600; overflow-wrap: anywhere; }
"""

SIDE, LEFT, BOTTOM, MARGIN = 440, 62, 44, 10
"""Pixels: of the square, and of the margins with and without labels."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of one row of the table.

    Attributes:
        title: whose they are.
        kind: of the target.
        classes: C names; () unless the target is classes.
        truth: (M,) numbers or places of classes; (M, 2) time and event.
        predicted: (M,) numbers, (M, C) shares, or (M,) log hazards.
        cases: (M,) names for those who point at one; empty where they must not be shown.
        seen: whether the encoder's training had scored patients in it.
    """

    title: str
    kind: Literal["numeric", "categorical", "survival"]
    classes: tuple[str, ...]
    truth: npt.NDArray[Any]
    predicted: npt.NDArray[Any]
    cases: Sequence[str]
    seen: bool


def against_truth(found: Sequence[Predictions], target: str) -> str:
    """All of them as HTML; nothing where there are none.

    Args:
        found: of one target.
        target: its name and unit.
    """
    if not found:
        return ""
    if found[0].kind == "categorical":
        many = len(found[0].classes) > 2
        drawn = score_tables([_counts(each) for each in found]) if many else _shares(found)
        return f'<section id="truths"><h2>Predictions against the truth</h2>{drawn}</section>'
    drawn = "".join(_points(each, target) for each in found)
    return f'<section id="truths"><h2>Predictions against the truth</h2><div class="truths">{drawn}</div></section>'


def _heading(each: Predictions) -> str:
    return each.title + (" (patients seen in training among them)" if each.seen else "")


def _shares(found: Sequence[Predictions]) -> str:
    plots = []
    for each in found:
        name = each.classes[-1]
        rows = []
        for place, truth in enumerate(each.classes):
            here = np.flatnonzero(each.truth == place)
            cases = [each.cases[row] if each.cases else "" for row in here.tolist()]
            rows.append(Strip(truth, CLASS_COLOURS[place], each.predicted[here, -1].tolist(), cases))
        below = f"How likely '{name}' is said to be, by the true class."
        plots.append(strip_plot(_heading(each), rows, (0.0, 1.0), below, "for every exam, by true class"))
    return f'<div class="strips">{"".join(plots)}</div>'


def _counts(each: Predictions) -> ScoreTable:
    said = each.predicted.argmax(axis=1)
    places = range(len(each.classes))
    rows: list[tuple[Cell, ...]] = [
        (name, *(int(((each.truth == truth) & (said == place)).sum()) for place in places))
        for truth, name in enumerate(each.classes)
    ]
    heads = ("True class", *(f"said {name}" for name in each.classes))
    return ScoreTable(_heading(each), heads, tuple(rows))


def _points(each: Predictions, target: str) -> str:
    survival = each.kind == "survival"
    x = each.truth[:, 0] if survival else each.truth
    y = each.predicted
    ended = each.truth[:, 1] == 0 if survival else np.zeros(len(x), dtype=np.bool_)
    wide, high = (_limits(x), _limits(y)) if survival else (_limits(np.concatenate([x, y])),) * 2
    across, up = _scale(wide, LEFT, SIDE - MARGIN), _scale(high, SIDE - BOTTOM, MARGIN)
    same = "" if survival else _line("same", (across(wide[0]), across(wide[1])), (up(wide[0]), up(wide[1])))
    points = "".join(
        f'<circle class="{"ended" if ended[row] else "known"}" cx="{across(x[row]):.1f}" cy="{up(y[row]):.1f}" r="3.4">'
        f"<title>{escape(_words(each, row, float(x[row]), float(y[row])))}</title></circle>"
        for row in range(len(x))
    )
    below = (
        "Filled: the event came; hollow: follow-up ended without it."
        if survival
        else "On the dashed line prediction and truth are the same."
    )
    axes = _axes(wide, high, across, up, (target, "log hazard ratio" if survival else "predicted"))
    return (
        f'<figure><h3>{escape(_heading(each))}</h3><svg viewBox="0 0 {SIDE} {SIDE}" role="img" '
        f'aria-label="{escape(_heading(each))}">{axes}{same}{points}</svg><figcaption>{below}</figcaption></figure>'
    )


def _words(each: Predictions, row: int, x: float, y: float) -> str:
    case = f"{each.cases[row]}: " if each.cases else ""
    return f"{case}true {number(round(x, 4))}, predicted {number(round(y, 4))}"


def _limits(values: npt.NDArray[Any]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    return round_limits(low, high)


def _scale(limits: tuple[float, float], first: float, last: float) -> Callable[[float], float]:
    low, high = limits
    return lambda value: first + (last - first) * (float(value) - low) / (high - low)


def _line(name: str, x: tuple[float, float], y: tuple[float, float]) -> str:
    return f'<line class="{name}" x1="{x[0]:.1f}" x2="{x[1]:.1f}" y1="{y[0]:.1f}" y2="{y[1]:.1f}"/>'


def _axes(
    wide: tuple[float, float],
    high: tuple[float, float],
    across: Callable[[float], float],
    up: Callable[[float], float],
    names: tuple[str, str],
) -> str:
    parts = []
    for at in ticks(*wide):
        parts.append(_line("grid", (across(at), across(at)), (up(high[0]), up(high[1]))))
        words = number(round(at, 10))
        parts.append(f'<text x="{across(at):.1f}" y="{SIDE - BOTTOM + 16}" text-anchor="middle">{words}</text>')
    for at in ticks(*high):
        parts.append(_line("grid", (across(wide[0]), across(wide[1])), (up(at), up(at))))
        words = number(round(at, 10))
        parts.append(f'<text x="{LEFT - 7}" y="{up(at) + 4:.1f}" text-anchor="end">{words}</text>')
    middle = (LEFT + SIDE - MARGIN) / 2
    parts.append(f'<text x="{middle}" y="{SIDE - 6}" text-anchor="middle">{escape(f"true {names[0]}")}</text>')
    beside = (SIDE - BOTTOM + MARGIN) / 2
    parts.append(f'<text transform="translate(14 {beside}) rotate(-90)" text-anchor="middle">{escape(names[1])}</text>')
    return "".join(parts)
