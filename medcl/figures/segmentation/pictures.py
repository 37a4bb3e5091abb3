"""A case's planes as SVG: the truth's outline solid, the prediction's dashed, and both in one; numbers name classes.

Each outline stands once in the page and is used for halo, line and fill: a page of hundreds of cases stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from medcl.figures.segmentation.case import DrawnClass, ScoredCase
from medcl.figures.segmentation.views import Shape, View

STYLE = """
.planes { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 4px; margin: 0 0 8px; }
.planes.wide { gap: 4px 8px; }
.planes .head { font-size: 12px; color: var(--soft); }
.planes .head svg { vertical-align: -1px; margin-right: 5px; }
.planes figure { display: flex; flex-direction: column; background: var(--wash); }
.planes figure svg { display: block; margin: 0 auto; max-width: 100%; background: #3a3f45; }
.planes figcaption { font-size: 11.5px; line-height: 1.5; padding: 0 4px; }
.shapes { position: absolute; width: 0; height: 0; }
.halo { fill: none; stroke: #fff; stroke-width: 3.4; stroke-opacity: 0.85; }
.fill { stroke: none; fill-opacity: 0.3; fill-rule: evenodd; }
.line { fill: none; stroke-width: 1.9; }
.halo.dashed { stroke: #000; stroke-width: 3.6; stroke-opacity: 0.8; }
.dashed { stroke-dasharray: 5 3.5; }
.halo.dashed { stroke-dasharray: none; }
.both .halo { stroke-opacity: 0.75; }
.mark { font-weight: 700; fill: #fff; stroke: #000; stroke-width: 2.6px; paint-order: stroke; text-anchor: middle;
  dominant-baseline: central; }
.no-fill .fill, .no-fill .mark, .no-lines .planes use:not(.picture), .no-lines .mark { display: none; }
@media print { .planes figure svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

TRUTH, PREDICTION, BOTH = "Truth", "Prediction", "Both"
_MARK_MM_SHARE = 0.075
"""Height of the classes' numbers by the plane's longer side."""


def pictures(case: ScoredCase, place: int, classes: Sequence[DrawnClass]) -> str:
    """The case's planes as HTML: a row for each, with truth, prediction and both.

    Args:
        case: the case.
        place: its number on the page, for the names of its parts.
        classes: in the order of the views' shapes.
    """
    widest = max((view.wide for view in case.views), default=1.0)
    tallest = max((view.high for view in case.views), default=1.0)
    heads = "".join(f'<div class="head">{_sample(kind)}{kind}</div>' for kind in (TRUTH, PREDICTION, BOTH))
    rows = "".join(
        f'<figure><svg viewBox="0 0 {view.wide:.6g} {view.high:.6g}" style="width:{_width(view, widest, tallest)}%" '
        f'role="img" aria-label="{escape(_said(kind, view, case))}">{_drawn(kind, f"{place}-{number}", view, classes)}'
        f"</svg><figcaption>{_caption(view) if kind == TRUTH else ' '}</figcaption></figure>"
        for number, view in enumerate(case.views)
        for kind in (TRUTH, PREDICTION, BOTH)
    )
    shapes = "".join(_shapes(f"{place}-{number}", view) for number, view in enumerate(case.views))
    return f'<svg class="shapes" aria-hidden="true"><defs>{shapes}</defs></svg><div class="planes">{heads}{rows}</div>'


def _width(view: View, widest: float, tallest: float) -> str:
    """Percent of the column: one scale in mm for all planes of a case, and none taller than 1.15 times the column."""
    return f"{100 * view.wide / max(widest, tallest / 1.15):.4g}"


def _shapes(name: str, view: View) -> str:
    """What is drawn several times: the image, and the outlines of both masks."""
    parts = []
    if view.picture is not None:
        parts.append(
            f'<image id="i{name}" href="{view.picture.uri}" width="{view.wide:.6g}" height="{view.high:.6g}" '
            'preserveAspectRatio="none"/>'
        )
    scale = f"scale({view.wide / view.columns:.6g} {view.high / view.rows:.6g})"
    for kind, shapes in (("t", view.truth), ("p", view.prediction)):
        paths = "".join(
            f'<path id="{kind}{name}-{number}" d="{shape.path}" transform="{scale}" '
            'vector-effect="non-scaling-stroke"/>'
            for number, shape in enumerate(shapes)
            if shape.path
        )
        parts.append(f'<g id="{kind}{name}">{paths}</g>')
    return "".join(parts)


def _drawn(kind: str, name: str, view: View, classes: Sequence[DrawnClass]) -> str:
    image = "" if view.picture is None else f'<use class="picture" href="#i{name}"/>'
    if kind == TRUTH:
        return image + _mask("t", name, view, view.truth, classes, "", True)
    if kind == PREDICTION:
        return image + _mask("p", name, view, view.prediction, classes, " dashed", True)
    both = _mask("t", name, view, view.truth, classes, "", False)
    return f'{image}<g class="both">{both}{_mask("p", name, view, view.prediction, classes, " dashed", False)}</g>'


def _mask(
    kind: str, name: str, view: View, shapes: Sequence[Shape], classes: Sequence[DrawnClass], dashed: str, filled: bool
) -> str:
    """Fill, halo and line of a mask's classes, and their numbers."""
    there = [number for number, shape in enumerate(shapes) if shape.path]
    parts = []
    if filled:
        parts += [f'<use class="fill" href="#{kind}{name}-{n}" fill="{escape(classes[n].colour)}"/>' for n in there]
    if there:
        parts.append(f'<use class="halo{dashed}" href="#{kind}{name}"/>')
    parts += [
        f'<use class="line{dashed}" href="#{kind}{name}-{n}" stroke="{escape(classes[n].colour)}"/>' for n in there
    ]
    if filled:
        parts += [_mark(view, shapes[n], n) for n in there]
    return "".join(parts)


def _mark(view: View, shape: Shape, number: int) -> str:
    if shape.mark is None:
        return ""
    x, y = shape.mark[0] * view.wide / view.columns, shape.mark[1] * view.high / view.rows
    size = _MARK_MM_SHARE * max(view.wide, view.high)
    return f'<text class="mark" x="{x:.4g}" y="{y:.4g}" font-size="{size:.3g}">{number + 1}</text>'


def _sample(kind: str) -> str:
    """A short line as it is drawn: solid, dashed, or both."""
    solid = '<path d="M1 4h24" class="line" stroke="#1b1f24"/>'
    dashed = solid.replace('class="line"', 'class="line dashed"')
    lines = {TRUTH: solid, PREDICTION: dashed, BOTH: solid + dashed.replace("M1 4", "M1 9")}[kind]
    height = 13 if kind == BOTH else 8
    return f'<svg width="26" height="{height}" aria-hidden="true">{lines}</svg>'


def _caption(view: View) -> str:
    return f"{view.plane} {view.place} of {view.of}"


def _said(kind: str, view: View, case: ScoredCase) -> str:
    words = {TRUTH: "Truth", PREDICTION: "Prediction", BOTH: "Outlines of truth and prediction"}[kind]
    return f"{words}, {_caption(view)}, {case.name}"
