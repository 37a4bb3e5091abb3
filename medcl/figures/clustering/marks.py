"""What each cluster is drawn with: a colour and a shape of its own, so that it is told apart in black and white too."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from medcl.figures.chips import symbol
from medcl.figures.colours import CLASS_COLOURS, CLASS_SYMBOLS

SYMBOLS = (*CLASS_SYMBOLS, "triangle-left", "triangle-right", "hourglass", "bowtie")
"""Plotly marker names; the eight of classes first, so that few clusters look as classes do."""

_TOGETHER = 24
"""Steps after which colours and shapes, taken in turn, meet again."""
DISTINCT = len(CLASS_COLOURS) * len(SYMBOLS)
"""Clusters that have a mark of their own; beyond, marks repeat and the numbers on the map tell them apart."""


@dataclass(frozen=True)
class Mark:
    """A cluster's marker.

    Attributes:
        colour: `#rrggbb`.
        symbol: plotly's name of the shape.
    """

    colour: str
    symbol: str


def mark(place: int) -> Mark:
    """The mark of a cluster by its place from 0: of the first 12 every shape differs, of the first 96 every mark."""
    turn = place // _TOGETHER
    return Mark(CLASS_COLOURS[place % len(CLASS_COLOURS)], SYMBOLS[(place + turn) % len(SYMBOLS)])


def marked_name(place: int, name: str) -> str:
    """A cluster's mark and name as HTML."""
    return f'<span class="cluster-name">{mark_svg(place)}<span>Cluster {escape(name)}</span></span>'


def mark_svg(place: int) -> str:
    """A cluster's mark as SVG."""
    found = mark(place)
    return symbol(found.symbol, found.colour, "#1b1f24", 0.6, 5.5)
