"""Sample pictures of a translation as one PNG: a row for each source slice, with what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.figures.translation.contours import draw_contours
from medcl.figures.translation.indexed_png import MOST_COLOURS, indexed_png
from medcl.figures.translation.lettering import HIGH, WIDE, lettering, shortened
from medcl.figures.translation.panel import Panel
from medcl.study.files import write_whole
from medcl.study.label_classes import LabelClass

SIDE = 320
"""Pixels that a slice's longer side is brought near to, each of its pixels a whole number of the picture's."""

GREYS = 64
"""Levels from black to white."""

BLACK, INK, WHITE = 0, 7, GREYS - 1
"""Places in the palette: greys, and from `GREYS` on the classes' colours."""

MARGIN, GAP, SCALE = 14, 10, 2
_LINE = HIGH * SCALE + 6
_SWATCH = 24

Pixels = NDArray[np.uint8]


def write_panels(path: Path, panels: Sequence[Panel], classes: Sequence[LabelClass], title: str = "") -> None:
    """Write the picture, whole or not at all.

    Args:
        path: of the PNG file.
        panels: one or more, from top to bottom.
        classes: class index i of the masks is `classes[i - 1]`.
        title: above it, such as "epoch 10".

    Raises:
        ValueError: there is no panel.
        RunFailed: the file cannot be written.
    """
    content = indexed_png(sheet(panels, classes, title), palette(classes))
    with write_whole(path) as temporary:
        temporary.write_bytes(content)


def palette(classes: Sequence[LabelClass]) -> list[str]:
    """The colours of `sheet`'s pixels, as `#rrggbb`."""
    greys = [round(255 * level / (GREYS - 1)) for level in range(GREYS)]
    return [f"#{grey:02x}{grey:02x}{grey:02x}" for grey in greys] + [
        each.colour for each in classes[: MOST_COLOURS - GREYS]
    ]


def sheet(panels: Sequence[Panel], classes: Sequence[LabelClass], title: str = "") -> Pixels:
    """The picture as (height, width) places in `palette`; arguments as of `write_panels`."""
    if not panels:
        raise ValueError("there is no panel to draw.")
    scale = _scale(panels)
    colours = {place + 1: GREYS + place % (MOST_COLOURS - GREYS) for place in range(len(classes))}
    wide = max(scale * panel.source.shape[1] for panel in panels)
    columns = 2 + max(len(panel.neighbours) for panel in panels)
    width = columns * wide + (columns - 1) * GAP
    blocks = [_text(title, width, SCALE + 1)] if title else []
    blocks.append(_headings(columns, wide))
    for panel in panels:
        blocks += [_text(caption(panel), width), _row(panel, columns, wide, scale, colours)]
    blocks += _legend(panels, classes, colours, width) if classes else []
    return np.pad(np.concatenate(blocks), MARGIN, constant_values=WHITE)


def caption(panel: Panel) -> str:
    """What stands above a row: the source slice, and the target slices where they are named."""
    named = ", ".join(panel.neighbour_names)
    source = " · ".join([*([panel.case] if panel.case else []), f"slice {panel.slice}"])
    return f"{source} (nearest: {named})" if named else source


def _scale(panels: Sequence[Panel]) -> int:
    longest: int = max(max(panel.source.shape) for panel in panels)
    return max(1, round(SIDE / longest))


def _row(panel: Panel, columns: int, wide: int, scale: int, colours: dict[int, int]) -> Pixels:
    found = panel.neighbour_segmentations or (None,) * len(panel.neighbours)
    planes = [panel.source, panel.translated, *panel.neighbours]
    masks = [panel.labels, panel.segmentation, *found]
    paper = _paper(scale * panel.source.shape[0] + 2 * GAP, columns * wide + (columns - 1) * GAP)
    for place, (plane, mask) in enumerate(zip(planes, masks, strict=True)):
        cell = _cell(plane, mask, scale, colours, dashed=place > 0)
        left = place * (wide + GAP)
        paper[: cell.shape[0], left : left + cell.shape[1]] = cell
    return paper


def _cell(
    plane: NDArray[np.float32], mask: NDArray[Any] | None, scale: int, colours: dict[int, int], *, dashed: bool
) -> Pixels:
    """A slice as radiologists hang it, enlarged, with the outlines of its mask."""
    levels = np.rint(np.nan_to_num(plane[::-1, ::-1]).clip(0, 1) * (GREYS - 1)).astype(np.uint8)
    cell: Pixels = np.repeat(np.repeat(levels, scale, axis=0), scale, axis=1)
    if mask is not None:
        draw_contours(cell, mask[::-1, ::-1], colours, dashed=dashed, black=BLACK, white=WHITE)
    return cell


def _headings(columns: int, wide: int) -> Pixels:
    nearest = [f"Nearest target {place}" for place in range(1, columns - 1)]
    paper = _paper(_LINE + 6, columns * wide + (columns - 1) * GAP)
    for place, heading in enumerate(
        ["Source", "Translated", *(nearest if columns > 3 else ["Nearest target"])][:columns]
    ):
        _write(paper, 0, place * (wide + GAP), shortened(heading, wide))
    return paper


def _legend(
    panels: Sequence[Panel], classes: Sequence[LabelClass], colours: dict[int, int], width: int
) -> list[Pixels]:
    """What the lines and numbers mean, in as many lines as it takes; nothing where nothing is outlined."""
    told = ["Solid outline: labelled in the source."] if any(each.labels is not None for each in panels) else []
    if any(each.segmentation is not None for each in panels):
        told.append("Dashed outline: found by the segmentation network.")
    if not told:
        return []
    lines, left = [_paper(_LINE + 4, width)], 0
    for place, each in enumerate(classes, start=1):
        name = shortened(each.name, width - _SWATCH - 3 * WIDE * SCALE)
        long = _SWATCH + 8 + len(name) * WIDE * SCALE + 2 * GAP
        if left and left + long > width:
            lines.append(_paper(_LINE + 4, width))
            left = 0
        box = lines[-1][:_SWATCH, left : left + _SWATCH]
        box[:] = colours[place]
        box[3:-3, 3:-3] = WHITE
        _write(box, 6, 6 if place < 10 else 4, str(place), SCALE if place < 10 else 1)
        _write(lines[-1], 4, left + _SWATCH + 8, name)
        left += long
    return lines + [_text(each, width) for each in told]


def _text(text: str, width: int, scale: int = SCALE) -> Pixels:
    paper = _paper(HIGH * scale + 6, width)
    _write(paper, 0, 0, shortened(text, width, scale), scale)
    return paper


def _write(paper: Pixels, top: int, left: int, text: str, scale: int = SCALE) -> None:
    ink = lettering(text, scale)
    under = paper[top : top + ink.shape[0], left : left + ink.shape[1]]
    under[ink[: under.shape[0], : under.shape[1]]] = INK


def _paper(height: int, width: int) -> Pixels:
    return np.full((height, width), WHITE, np.uint8)
