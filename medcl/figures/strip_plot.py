"""How a number is spread, row by row: every case (or repeat) a point, above a box of the quartiles, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from medcl.figures.colour_bar import ticks
from medcl.figures.labels import number

STYLE = """
.strips { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 14px 28px;
  margin: 14px 0 8px; }
.strips svg { display: block; width: 100%; height: auto; max-width: 680px; }
.strips text { font-size: 12.5px; fill: var(--ink); }
.strips .grid { stroke: var(--line); }
.strips .box { fill: var(--wash); stroke: var(--ink); }
.strips .median { stroke: var(--ink); stroke-width: 2.5; }
.strips circle { stroke: #fff; stroke-width: 0.7; }
"""

WIDTH, LEFT, RIGHT, TOP, ROW = 620, 150, 14, 8, 46
"""Pixels: of the whole, beside the axis, above the first row, and of a row."""

_POINTS_HIGH, _BOX_HIGH = 20, 12
_MOST_LETTERS = 22
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Strip:
    """One row of the plot.

    Attributes:
        name, colour: of the class.
        values: one for each case; NaN where undefined.
        cases: their names, for those who point at one.
    """

    name: str
    colour: str
    values: Sequence[float]
    cases: Sequence[str]


def strip_plot(
    title: str,
    strips: Sequence[Strip],
    limits: tuple[float, float],
    below: str = "",
    over: str = "of every case, by class",
) -> str:
    """The plot as HTML.

    Args:
        title: the metric and its unit.
        strips: from top to bottom.
        limits: of the axis; all values lie within.
        below: what a reader must know of this plot.
        over: what the points are, in words, for those who hear the page.
    """
    low, high = limits
    bottom = TOP + ROW * len(strips)

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    axis = "".join(
        f'<line class="grid" x1="{across(at):.1f}" x2="{across(at):.1f}" y1="{TOP}" y2="{bottom}"/>'
        f'<text x="{across(at):.1f}" y="{bottom + 16}" text-anchor="middle">{number(round(at, 10))}</text>'
        for at in ticks(low, high)
    )
    rows = []
    for place, strip in enumerate(strips):
        known = [(value, name) for value, name in zip(strip.values, strip.cases, strict=True) if value == value]
        top = TOP + ROW * place
        name = strip.name if len(strip.name) <= _MOST_LETTERS else strip.name[: _MOST_LETTERS - 1] + "…"
        rows.append(f'<text x="{LEFT - 10}" y="{top + 27}" text-anchor="end">{escape(name)}</text>')
        rows += [
            f'<circle cx="{across(value):.1f}" cy="{top + 4 + _spread(count) * _POINTS_HIGH:.1f}" r="3.2" '
            f'fill="{escape(strip.colour)}"><title>{escape(f"{case}: {number(round(value, 4))}")}</title></circle>'
            for count, (value, case) in enumerate(known)
        ]
        if known:
            ends = [across(float(end)) for end in np.quantile([value for value, _ in known], [0.25, 0.5, 0.75])]
            rows.append(_box(ends, top + 4 + _POINTS_HIGH + 5))
    said = escape(f"{title} {over}")
    return (
        f'<figure><h3>{escape(title)}</h3><svg viewBox="0 0 {WIDTH} {bottom + 24}" role="img" aria-label="{said}">'
        f"{axis}{''.join(rows)}</svg>{f'<figcaption>{escape(below)}</figcaption>' if below else ''}</figure>"
    )


def round_limits(low: float, high: float) -> tuple[float, float]:
    """Limits that hold both numbers and lie on ticks themselves."""
    while True:
        first, second = ticks(low, high)[:2]
        step = second - first
        wider = math.floor(low / step + _ROUNDING) * step, math.ceil(high / step - _ROUNDING) * step
        if wider == (low, high):
            return wider
        low, high = wider


def _spread(count: int) -> float:
    """Where in its row a point stands: multiples of the golden ratio, which keep neighbours apart and never change."""
    return count * 0.6180339887 % 1


def _box(ends: Sequence[float], top: float) -> str:
    first, middle, last = ends
    return (
        f'<rect class="box" x="{first:.1f}" y="{top}" width="{max(last - first, 0.5):.1f}" height="{_BOX_HIGH}"/>'
        f'<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="{top}" y2="{top + _BOX_HIGH}"/>'
    )
