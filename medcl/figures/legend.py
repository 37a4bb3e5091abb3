"""The legend above the maps: a colour bar with the values' distribution, or classes; then splits and missing
values.

Every entry but the colour bar is a button that shows and hides its points in all maps at once, by mouse or
keyboard.
"""

from __future__ import annotations

import math
from html import escape

import numpy as np

from medcl.figures.colour_bar import colour_bar
from medcl.figures.colouring import Colouring
from medcl.figures.colours import CLASS_COLOURS, CLASS_SYMBOLS, MISSING_COLOUR, MISSING_SYMBOL, colour_at
from medcl.figures.labels import SPLITS
from medcl.figures.points import Points
from medcl.figures.scatter import MISSING_KEY, STYLES
from medcl.study.plural import counted

STYLE = """
.legend { display: flex; flex-wrap: wrap; gap: 10px 36px; align-items: flex-start; margin: 16px 0 10px; }
.legend h2 { margin: 0 0 4px; }
.legend .more { display: flex; flex-wrap: wrap; gap: 8px 24px; flex: 1 1 380px; }
.legend .chips { display: flex; flex-wrap: wrap; gap: 6px; }
.legend svg { display: block; }
.chip { display: inline-flex; align-items: center; gap: 7px; padding: 3px 10px 3px 7px; cursor: pointer;
  color: inherit;
  font: inherit; font-size: 14px; background: var(--paper); border: 1px solid var(--line);
    border-radius: 15px; }
.chip:hover { border-color: var(--soft); }
.chip[aria-pressed="false"] { color: var(--soft); text-decoration: line-through; background: var(--wash); }
.chip[aria-pressed="false"] svg { opacity: 0.25; }
.legend p { max-width: 410px; margin: 0; }
.legend .count { color: var(--soft); font-size: 12.5px; }
@media print { .chip { border: 0; padding: 0 10px 0 0; } .chip[aria-pressed="false"] { display: none; } }
"""

POLYGONS: dict[str, list[tuple[float, float]]] = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    "triangle-up": [(0, -1.2), (1.15, 0.8), (-1.15, 0.8)],
    "triangle-down": [(0, 1.2), (1.15, -0.8), (-1.15, -0.8)],
    "cross": [(-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4),
              (0.4, 1.2), (-0.4, 1.2), (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)],
    "x": [(0, -0.5), (0.75, -1.2), (1.2, -0.75), (0.5, 0), (1.2, 0.75), (0.75, 1.2),
          (0, 0.5), (-0.75, 1.2), (-1.2, 0.75), (-0.5, 0), (-1.2, -0.75), (-0.75, -1.2)],
    "star": [(math.sin(k * math.pi / 5) * (1.4 if k % 2 == 0 else 0.55),
              -math.cos(k * math.pi / 5) * (1.4 if k % 2 == 0 else 0.55)) for k in range(10)],
    "pentagon": [(1.2 * math.sin(k * math.tau / 5), -1.2 * math.cos(k * math.tau / 5)) for k in range(5)],
}  # fmt: skip


def legend(points: Points, colouring: Colouring, unit_of_rows: str, mark: tuple[float, str] | None = None) -> str:
    """The legend as HTML.

    Args:
        points: the rows that are shown.
        colouring: their variable.
        unit_of_rows: what one row is, in words: "image" or "exam".
        mark: a value to be marked on the colour bar, and its words.
    """
    if colouring.kind == "numeric":
        first = f"<div><h2>{escape(colouring.title)}</h2>{colour_bar(colouring, mark)}</div>"
    else:
        first = _chip_group(colouring.title, _class_chips(colouring))
    groups = [_chip_group("Patients", _split_chips(points, colouring, unit_of_rows))]
    missing = int(colouring.missing.sum())
    if missing:
        shape = _symbol(MISSING_SYMBOL, MISSING_COLOUR, "none", 0, 5)
        people = len({points.patients[row] for row in np.flatnonzero(colouring.missing)})
        text = f"{counted(missing, unit_of_rows)} of {counted(people, 'patient')}"
        chip = _chip(MISSING_KEY, shape, "value missing", text)
        groups.append(_chip_group("No value", [chip]))
    said = "Legend; its buttons show and hide points"
    more = f'<div class="more">{"".join(groups)}</div>'
    return f'<div class="legend" role="group" aria-label="{said}">{first}{more}</div>'


def _chip_group(title: str, chips: list[str]) -> str:
    return f'<div><h2>{escape(title)}</h2><div class="chips">{"".join(chips)}</div></div>'


def _chip(key: str, shape: str, text: str, count: str) -> str:
    return (
        f'<button type="button" class="chip" data-key="{escape(key)}" aria-pressed="true">{shape}'
        f'<span>{escape(text)} <span class="count">{escape(count)}</span></span></button>'
    )


def _class_chips(colouring: Colouring) -> list[str]:
    places = colouring.class_of()
    return [
        _chip(
            f"class-{place}",
            _symbol(CLASS_SYMBOLS[place], CLASS_COLOURS[place], "none", 0, 5.5),
            name,
            f"{int((places == place).sum()):,}",
        )
        for place, name in enumerate(colouring.classes())
    ]


def _split_chips(points: Points, colouring: Colouring, unit_of_rows: str) -> list[str]:
    chips = []
    for split, name in SPLITS.items():
        rows = [row for row, found in enumerate(points.splits) if found == split]
        if rows:
            style = STYLES[split]
            # with classes the shape is the class; what tells the split is size and outline
            symbol = style.symbol if colouring.kind == "numeric" else "circle"
            fill = colour_at(colouring.scale, 0.62) if colouring.kind == "numeric" else "#c9ced4"
            shape = _symbol(symbol, fill, style.outline, style.width, style.size / 2.1)
            people = len({points.patients[row] for row in rows})
            text = f"{counted(len(rows), unit_of_rows)} of {people:,}"
            chips.append(_chip(f"split-{split}", shape, name.removesuffix(" patients"), text))
    return chips


def _symbol(symbol: str, fill: str, outline: str, width: float, radius: float) -> str:
    paint = f'fill="{fill}" stroke="{outline}" stroke-width="{width}"'
    if symbol == "circle":
        drawn = f'<circle r="{radius:.2f}" {paint}/>'
    else:
        corners = " ".join(f"{radius * x:.2f},{radius * y:.2f}" for x, y in POLYGONS[symbol])
        drawn = f'<polygon points="{corners}" {paint}/>'
    return f'<svg width="20" height="20" viewBox="-10 -10 20 20" aria-hidden="true">{drawn}</svg>'
