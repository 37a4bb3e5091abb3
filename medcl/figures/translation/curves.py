"""Numbers over the epochs as small SVG charts: lines that dashes and names at their ends tell apart without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from medcl.figures.colour_bar import ticks
from medcl.figures.colours import CLASS_COLOURS
from medcl.figures.labels import number
from medcl.figures.strip_plot import round_limits

STYLE = """
.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 16px 32px; }
.curves h3 { margin: 0 0 2px; font-size: 14px; font-weight: 650; }
.curves svg { display: block; width: 100%; height: auto; max-width: 660px; }
.curves text { font-size: 12.5px; fill: var(--ink); }
.curves .grid { stroke: var(--line); }
.curves .series { fill: none; stroke-width: 1.9; stroke-linejoin: round; }
.curves .level { stroke: var(--soft); stroke-dasharray: 2 3; stroke-width: 1.4; }
.curves .leader { stroke: var(--soft); stroke-width: 0.7; }
@media print { .curves { grid-template-columns: 1fr 1fr; gap: 8px 16px; } .curves figcaption { font-size: 8pt; } }
"""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 620, 250, 56, 150, 12, 40
"""Pixels: of the whole, and of the margins around the axes."""

DASHES = ("", "7 4", "2 3", "10 3 2 3", "14 4", "4 2 1 2")
_LINE = 15
_MOST_LETTERS = 20
_FEW = 12
"""Points up to which each has a dot."""


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: at its end.
        points: (epoch, value); values that are not finite are left out.
    """

    name: str
    points: tuple[tuple[int, float], ...]

    @property
    def known(self) -> list[tuple[int, float]]:
        """The points that can be drawn, by epoch."""
        return sorted((epoch, value) for epoch, value in self.points if math.isfinite(value))


@dataclass(frozen=True)
class Chart:
    """Some lines over the epochs.

    Attributes:
        title: heading.
        series: lines; those without a point are left out.
        levels: values with a name that are drawn across, such as that of chance.
        about: a sentence below; "" where there is nothing to say.
        from_zero: whether the axis begins at 0, or lower where values do.
    """

    title: str
    series: tuple[Series, ...]
    levels: tuple[tuple[float, str], ...] = ()
    about: str = ""
    from_zero: bool = True


def curves(charts: Sequence[Chart]) -> str:
    """The charts as HTML, those without a point left out; nothing where none is left."""
    drawn = "".join(_figure(chart) for chart in charts if any(each.known for each in chart.series))
    return f'<section id="curves"><h2>Over the epochs</h2><div class="curves">{drawn}</div></section>' if drawn else ""


def _figure(chart: Chart) -> str:
    series = [each for each in chart.series if each.known]
    ends = ", ".join(f"{each.name} {number(each.known[-1][1])}" for each in series)
    said = escape(f"{chart.title} over the epochs; at the end: {ends}")
    about = f"<figcaption>{escape(chart.about)}</figcaption>" if chart.about else ""
    return (
        f'<figure><h3>{escape(chart.title)}</h3><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
        f"{_drawn(chart, series)}</svg>{about}</figure>"
    )


def _drawn(chart: Chart, series: Sequence[Series]) -> str:
    axes = _Axes.of(chart, series)
    parts = [axes.drawn()]
    labels = []
    for value, name in chart.levels:
        at = axes.down(value)
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        labels.append((at, name, "var(--soft)"))
    for place, each in enumerate(series):
        colour, dash = CLASS_COLOURS[place % len(CLASS_COLOURS)], DASHES[place % len(DASHES)]
        places = [(axes.across(epoch), axes.down(value)) for epoch, value in each.known]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline class="series" points="{line}" stroke="{colour}"{dashed}/>')
        if len(places) <= _FEW:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}"/>' for x, y in places]
        labels.append((places[-1][1], each.name, colour))
    return "".join([*parts, *_names(labels)])


def _names(labels: Sequence[tuple[float, str, str]]) -> list[str]:
    """The lines' names beside their ends, moved apart where they would lie on each other."""
    parts = []
    wanted = [at for at, _, _ in labels]
    for place, at in zip(range(len(labels)), spread_apart(wanted, TOP + 4, HEIGHT - BOTTOM + 2), strict=True):
        end, name, colour = labels[place]
        shown = name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"
        right = WIDTH - RIGHT
        parts.append(
            f'<line class="leader" x1="{right + 2}" x2="{right + 10}" y1="{end:.1f}" y2="{at:.1f}"/>'
            f'<rect x="{right + 11}" y="{at - 4:.1f}" width="7" height="7" fill="{colour}"/>'
            f'<text x="{right + 22}" y="{at + 4:.1f}">{escape(shown)}</text>'
        )
    return parts


def spread_apart(wanted: Sequence[float], top: float, bottom: float) -> list[float]:
    """Places within top and bottom near to those wanted, in their order, a line of text apart where there is room."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    step = min(float(_LINE), (bottom - top) / max(1, len(wanted) - 1))
    places = [0.0] * len(wanted)
    last = top - step
    for place in order:
        last = places[place] = max(wanted[place], last + step)
    below = bottom + step
    for place in reversed(order):
        below = places[place] = min(places[place], below - step)
    return places


@dataclass(frozen=True)
class _Axes:
    """Limits of the axes, and where values lie on the picture."""

    first: int
    last: int
    low: float
    high: float

    @classmethod
    def of(cls, chart: Chart, series: Sequence[Series]) -> _Axes:
        epochs = [epoch for each in series for epoch, _ in each.known]
        values = [value for each in series for _, value in each.known] + [value for value, _ in chart.levels]
        low, high = min(values), max(values)
        if chart.from_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
        return cls(min(epochs), max(epochs), *round_limits(low, high))

    def across(self, epoch: float) -> float:
        wide = WIDTH - LEFT - RIGHT
        return LEFT + (wide * (epoch - self.first) / (self.last - self.first) if self.last > self.first else wide / 2)

    def down(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - self.low) / (self.high - self.low)

    def drawn(self) -> str:
        parts = [
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.down(at):.1f}" y2="{self.down(at):.1f}"/>'
            f'<text x="{LEFT - 7}" y="{self.down(at) + 4:.1f}" text-anchor="end">{number(round(at, 10))}</text>'
            for at in ticks(self.low, self.high)
        ]
        epochs = ticks(self.first, self.last) if self.last > self.first else [float(self.first)]
        parts += [
            f'<text x="{self.across(at):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{at:.0f}</text>'
            for at in epochs
            if float(at).is_integer()
        ]
        middle = (LEFT + WIDTH - RIGHT) / 2
        return "".join([*parts, f'<text x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">Epoch</text>'])
