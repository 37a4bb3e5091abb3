"""The legend above the maps: a colour bar with the values' distribution, or classes; then splits and missing
values.

Every entry but the colour bar is a button that shows and hides its points in all maps at once, by mouse or
keyboard.
"""

from __future__ import annotations

from html import escape

import numpy as np

from medcl.figures.chips import chip, chip_group, symbol
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


def legend(points: Points, colouring: Colouring, unit_of_rows: str, mark: tuple[float, str] | None = None) -> str:
    """The legend as HTML.

    Args:
        points: the rows that are shown.
        colouring: their variable.
        unit_of_rows: what one row is, in words: "image" or "exam".
        mark: a value to be marked on the colour bar, and its words.
    """
    said = "Legend; its buttons show and hide points"
    more = f'<div class="more">{row_chips(points, colouring, unit_of_rows)}</div>'
    return f'<div class="legend" role="group" aria-label="{said}">{variable_legend(colouring, mark)}{more}</div>'


def variable_legend(colouring: Colouring, mark: tuple[float, str] | None = None) -> str:
    """The variable's part: the colour bar of numbers, or the buttons of classes."""
    if colouring.kind == "numeric":
        return f"<div><h2>{escape(colouring.title)}</h2>{colour_bar(colouring, mark)}</div>"
    return chip_group(colouring.title, _class_chips(colouring))


def row_chips(points: Points, colouring: Colouring | None, unit_of_rows: str) -> str:
    """The rows' part: a button for each split, and for missing values; None where no variable is coloured."""
    groups = [chip_group("Patients", _split_chips(points, colouring, unit_of_rows))]
    missing = 0 if colouring is None else int(colouring.missing.sum())
    if colouring is not None and missing:
        shape = symbol(MISSING_SYMBOL, MISSING_COLOUR, "none", 0, 5)
        people = len({points.patients[row] for row in np.flatnonzero(colouring.missing)})
        text = f"{counted(missing, unit_of_rows)} of {counted(people, 'patient')}"
        button = chip(MISSING_KEY, shape, "value missing", text)
        groups.append(chip_group("No value", [button]))
    return "".join(groups)


def _class_chips(colouring: Colouring) -> list[str]:
    places = colouring.class_of()
    return [
        chip(
            f"class-{place}",
            symbol(CLASS_SYMBOLS[place], CLASS_COLOURS[place], "none", 0, 5.5),
            name,
            f"{int((places == place).sum()):,}",
        )
        for place, name in enumerate(colouring.classes())
    ]


def _split_chips(points: Points, colouring: Colouring | None, unit_of_rows: str) -> list[str]:
    chips = []
    numeric = colouring is not None and colouring.kind == "numeric"
    for split, name in SPLITS.items():
        rows = [row for row, found in enumerate(points.splits) if found == split]
        if rows:
            style = STYLES[split]
            # with classes the shape is the class; what tells the split is size and outline
            drawn = style.symbol if numeric else "circle"
            fill = colour_at(colouring.scale, 0.62) if colouring is not None and numeric else "#c9ced4"
            shape = symbol(drawn, fill, style.outline, style.width, style.size / 2.1)
            people = len({points.patients[row] for row in rows})
            text = f"{counted(len(rows), unit_of_rows)} of {people:,}"
            chips.append(chip(f"split-{split}", shape, name.removesuffix(" patients"), text))
    return chips
