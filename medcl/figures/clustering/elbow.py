"""The elbow curve: how the spread within clusters falls with their number, and the number that was taken, as SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from medcl.figures.colour_bar import ticks
from medcl.figures.labels import number
from medcl.figures.strip_plot import round_limits
from medcl.study.plural import counted

STYLE = """
.elbow svg { display: block; width: 100%; height: auto; max-width: 620px; }
.elbow text { font-size: 12.5px; fill: var(--ink); }
.elbow .grid { stroke: var(--line); }
.elbow .curve { fill: none; stroke: var(--ink); stroke-width: 1.8; }
.elbow .chord { stroke: var(--soft); stroke-dasharray: 5 4; }
.elbow .chosen { stroke: var(--mark); stroke-width: 1.6; stroke-dasharray: 2 3; }
"""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 620, 290, 66, 16, 26, 42
"""Pixels: of the whole, and of the margins around the axes."""

_MOST_TICKS = 22


@dataclass(frozen=True)
class Elbow:
    """How the number of clusters came about.

    Attributes:
        inertia: sum of squared distances of the images to their centres, by number of clusters; may be empty.
        chosen: the number that was taken.
        found: whether the curve has an elbow.
        given: whether the user gave the number.
    """

    inertia: Mapping[int, float]
    chosen: int
    found: bool
    given: bool = False

    @property
    def words(self) -> str:
        """What settled the number, as a sentence."""
        if self.given:
            return f"{counted(self.chosen, 'cluster')}: given by --clusters, not found in the data."
        if self.found:
            return (
                f"{counted(self.chosen, 'cluster')}: the elbow, the point of the curve that lies farthest below the "
                "straight line (dashed) between its ends."
            )
        return (
            f"The curve has no elbow: {counted(self.chosen, 'cluster')} were taken, but the data favour no number of "
            "clusters. Try others with --clusters and compare their stability."
        )


def elbow_curve(elbow: Elbow) -> str:
    """The curve as HTML; the sentence alone where fewer than two numbers of clusters were tried."""
    drawn = _curve(elbow) if len(elbow.inertia) > 1 else ""
    return (
        f'<section id="elbow" class="elbow"><h2>Number of clusters</h2><figure>{drawn}'
        f"<figcaption>{elbow.words}</figcaption></figure></section>"
    )


def _curve(elbow: Elbow) -> str:
    counts = sorted(elbow.inertia)
    values = [elbow.inertia[count] for count in counts]
    low, high = round_limits(0.0, max(*values, 1e-12))

    def x(count: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (count - counts[0]) / (counts[-1] - counts[0])

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    line = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value in zip(counts, values, strict=True))
    chord = (
        f'<line class="chord" x1="{x(counts[0]):.1f}" y1="{y(values[0]):.1f}" x2="{x(counts[-1]):.1f}" '
        f'y2="{y(values[-1]):.1f}"/>'
        if elbow.found and not elbow.given
        else ""
    )
    dots = "".join(
        f'<circle cx="{x(count):.1f}" cy="{y(value):.1f}" r="3.2" fill="#1b1f24">'
        f"<title>{count} clusters: {value:.6g}</title></circle>"
        for count, value in zip(counts, values, strict=True)
    )
    said = f"Sum of squared distances for {counts[0]} to {counts[-1]} clusters; {elbow.chosen} taken"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">{_axes(counts, low, high, x, y)}{chord}'
        f'<polyline class="curve" points="{line}"/>{dots}{_chosen(elbow, x, y)}</svg>'
    )


def _chosen(elbow: Elbow, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """A line down to the axis, a diamond on the curve, and the number."""
    if elbow.chosen not in elbow.inertia:
        return ""
    across, down = x(elbow.chosen), y(elbow.inertia[elbow.chosen])
    diamond = f"M{across:.1f} {down - 8:.1f}l8 8l-8 8l-8 -8z"
    side, anchor = (-12, "end") if across > WIDTH - 90 else (12, "start")
    return (
        f'<line class="chosen" x1="{across:.1f}" x2="{across:.1f}" y1="{down:.1f}" y2="{HEIGHT - BOTTOM}"/>'
        f'<path data-chosen="{elbow.chosen}" d="{diamond}" fill="#fff" stroke="#0b5cad" stroke-width="2.4"/>'
        f'<text x="{across + side:.1f}" y="{down - 8:.1f}" text-anchor="{anchor}" font-weight="700">'
        f"K = {elbow.chosen}</text>"
    )


def _axes(counts: list[int], low: float, high: float, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    step = -(-len(counts) // _MOST_TICKS)
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(at):.1f}" y2="{y(at):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(at) + 4:.1f}" text-anchor="end">{number(round(at, 10))}</text>'
        for at in ticks(low, high)
    ]
    parts += [
        f'<text x="{x(count):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{count}</text>'
        for count in counts[::step]
    ]
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 5}" text-anchor="middle">Number of clusters</text>'
    )
    parts.append(f'<text x="4" y="{TOP - 12}">Sum of squared distances to the centres</text>')
    return "".join(parts)
