"""The main scores with their intervals, row by row, the two fits of a row one under the other, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from medcl.figures.colour_bar import ticks
from medcl.figures.evaluation_page.score_row import ScoreRow
from medcl.figures.labels import number
from medcl.figures.strip_plot import round_limits

STYLE = """
.forest svg { display: block; width: 100%; height: auto; max-width: 900px; }
.forest text { font-size: 12.5px; fill: var(--ink); }
.forest .grid { stroke: var(--line); }
.forest .nothing { stroke: var(--soft); stroke-dasharray: 4 3; }
.forest .whisker { stroke-width: 2; }
.forest .features { stroke: var(--mark); fill: var(--mark); }
.forest .baseline { stroke: var(--soft); fill: var(--soft); }
.forest .nested { fill: var(--paper); stroke-width: 1.8; }
.forest .arrow { stroke: none; }
"""

WIDTH, LEFT, RIGHT, TOP, ROW = 900, 330, 20, 8, 38
"""Pixels: of the whole, beside the axis, above the first row, and of a row."""

LOWEST = -1.0
"""Where the axis ends at the left; an interval that goes on ends in an arrow."""

_MOST_LETTERS = 46
_HALF = 4.5
_ROUNDING = 1e-9
NESTED = "held-out patients"


def forest(rows: Sequence[ScoreRow], main: str, nothing: float, label: str) -> str:
    """The plot as HTML; "" where no row has the score.

    Args:
        rows: with the main score or without (those are left out).
        main: its name in `ScoreRow.scores`.
        nothing: its value for a guess, marked by a line.
        label: the score in words.
    """
    shown = [row for row in rows if main in row.scores]
    if not shown:
        return ""
    lows = [max(min(row.scores[main].low, row.scores[main].value), LOWEST) for row in shown]
    highs = [max(row.scores[main].high, row.scores[main].value, LOWEST) for row in shown]
    low, high = round_limits(min([nothing, *lows]), max([nothing + 0.1, *highs]))
    names = list(dict.fromkeys(row.label for row in shown))
    bottom = TOP + ROW * len(names)

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (max(value, low) - low) / (high - low)

    axis = "".join(
        f'<line class="grid" x1="{across(at):.1f}" x2="{across(at):.1f}" y1="{TOP}" y2="{bottom}"/>'
        f'<text x="{across(at):.1f}" y="{bottom + 16}" text-anchor="middle">{number(round(at, 10))}</text>'
        for at in ticks(low, high)
    )
    zero = f'<line class="nothing" x1="{across(nothing):.1f}" x2="{across(nothing):.1f}" y1="{TOP}" y2="{bottom}"/>'
    drawn = []
    for place, name in enumerate(names):
        top = TOP + ROW * place
        short = name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"
        drawn.append(f'<text x="{LEFT - 12}" y="{top + ROW / 2 + 4:.1f}" text-anchor="end">{escape(short)}</text>')
        here = [row for row in shown if row.label == name]
        step = ROW / (len(here) + 1)
        drawn += [_one(row, main, across, top + step * (count + 1), low) for count, row in enumerate(here)]
    said = escape(f"{label} of every row with its interval")
    key = (
        "Filled: the probe was fitted on the encoder's training patients; hollow: inside the held-out patients. The "
        "dashed line is a guess."
    )
    return (
        f'<section id="forest" class="forest"><h2>{escape(label)}</h2><figure>'
        f'<svg viewBox="0 0 {WIDTH} {bottom + 24}" role="img" aria-label="{said}">{axis}{zero}{"".join(drawn)}</svg>'
        f"<figcaption>{key}</figcaption></figure></section>"
    )


def _one(row: ScoreRow, main: str, across: Callable[[float], float], y: float, low: float) -> str:
    found = row.scores[main]
    left, right, middle = across(found.low), across(found.high), across(found.value)
    title = escape(f"{row.label}, fitted on {row.fitted_on}: {found}")
    arrow = ""
    if found.low < low - _ROUNDING:
        arrow = f'<path class="arrow {row.role}" d="M{left - 7:.1f} {y:.1f}l8 -4.5v9z"/>'
    nested = " nested" if row.fitted_on == NESTED else ""
    mark = (
        f'<rect class="{row.role}{nested}" x="{middle - _HALF:.1f}" y="{y - _HALF:.1f}" width="{2 * _HALF}" '
        f'height="{2 * _HALF}"/>'
        if found.value >= low - _ROUNDING
        else ""
    )
    line = f'<line class="whisker {row.role}" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f"<g><title>{title}</title>{line}{arrow}{mark}</g>"
