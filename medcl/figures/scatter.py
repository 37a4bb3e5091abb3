"""Plotly traces and layout of one map: colour is the variable, size and outline are the split.

Held-out patients are larger with a dark outline, training patients small and pale-rimmed, on every page
alike. With numbers the marker's shape repeats the split; with classes it repeats the class. Traces are plain
dicts, so that this module needs no plotly; `meta` names each trace's rows and the legend keys that show and
hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.figures.colouring import Colouring
from medcl.figures.colours import (
    CLASS_COLOURS,
    CLASS_SYMBOLS,
    MISSING_COLOUR,
    MISSING_SYMBOL,
    plotly_scale,
)
from medcl.figures.labels import SPLITS
from medcl.figures.maps import Map
from medcl.figures.points import Points

WEBGL_FROM = 2000
"""Rows from which points are drawn by WebGL; below, as sharper SVG that also prints well."""
MISSING_KEY = "missing"

Trace = dict[str, Any]


@dataclass(frozen=True)
class Style:
    """How one split's points look."""

    symbol: str
    size: float
    outline: str
    width: float
    opacity: float


STYLES = {
    "train": Style("circle", 7.5, "rgba(30,30,30,0.45)", 0.6, 0.85),
    "val": Style("square", 8.5, "rgba(20,20,20,0.9)", 1.1, 0.95),
    "test": Style("diamond", 12.0, "#111111", 1.8, 1.0),
    "new": Style("triangle-up", 12.0, "#111111", 1.8, 1.0),
    "": Style("circle", 8.5, "rgba(30,30,30,0.6)", 0.8, 0.9),
}

INK = "#1b1f24"
GRID = "#e8eaed"


def traces(points: Points, colouring: Colouring, found: Map) -> list[Trace]:
    """The traces of one map, those to be drawn on top last: missing values, training, ..., new patients."""
    splits = np.array(points.splits)
    missing = colouring.missing
    parts: list[tuple[npt.NDArray[np.bool_], int | None]]
    parts = [((splits == split) & missing, None) for split in SPLITS]
    if colouring.kind == "numeric":
        parts += [((splits == split) & ~missing, None) for split in SPLITS]
    else:
        classes, count = colouring.class_of(), len(colouring.classes())
        parts += [((splits == split) & (classes == place), place) for split in SPLITS for place in range(count)]
    made = []
    for chosen, place in parts:
        if chosen.any():
            rows = np.flatnonzero(chosen)
            made.append(point_trace(points, found, rows, *_look(colouring, rows, place)))
    return made


def layout(found: Map) -> dict[str, Any]:
    """The axes of one map; those of neighbourhood maps have no ticks, since their numbers mean nothing."""
    ticks = found.method == "pca"
    axis = {
        "zeroline": False,
        "gridcolor": GRID,
        "linecolor": "#9aa1a9",
        "showline": True,
        "mirror": True,
        "showticklabels": ticks,
        "ticks": "outside" if ticks else "",
        "tickcolor": "#9aa1a9",
        "nticks": 7,
        "automargin": True,
    }
    return {
        "xaxis": {**axis, "title": {"text": found.axes[0], "standoff": 10}},
        "yaxis": {**axis, "title": {"text": found.axes[1], "standoff": 8}},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": "pan",
        "autosize": True,
        "margin": {"l": 56, "r": 10, "t": 32, "b": 50},
        "plot_bgcolor": "#ffffff",
        "paper_bgcolor": "#ffffff",
        "font": {
            "family": "system-ui, Segoe UI, Roboto, Liberation Sans, Arial, sans-serif",
            "size": 13,
            "color": INK,
        },
        "hoverlabel": {
            "bgcolor": "#ffffff",
            "bordercolor": INK,
            "align": "left",
            "font": {"color": INK, "size": 13},
        },
    }


def point_trace(
    points: Points, found: Map, rows: npt.NDArray[np.int64], keys: list[str], marker: dict[str, Any]
) -> Trace:
    """Points of one split as a trace.

    Args:
        points: all that are shown.
        found: where they lie.
        rows: those of this trace, all of one split.
        keys: of the buttons that hide them, beside their split's.
        marker: what their marker has of its own; the rest is as the split has it.
    """
    split = points.splits[rows[0]]
    style, shrink = STYLES[split], _shrink(len(points))
    usual = {
        "symbol": style.symbol,
        "size": round(style.size * shrink, 2),
        "opacity": style.opacity,
        "line": {"color": style.outline, "width": style.width * shrink},
    }
    place_of = rounded(found.coordinates)[rows]
    return {
        "type": "scattergl" if len(points) >= WEBGL_FROM else "scatter",
        "mode": "markers",
        "x": place_of[:, 0].tolist(),
        "y": place_of[:, 1].tolist(),
        "marker": usual | marker,
        "hovertemplate": "%{text}<extra></extra>",
        "meta": {"rows": rows.tolist(), "keys": [f"split-{split}", *keys]},
    }


def rounded(coordinates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Coordinates to a ten-thousandth of the map's span: finer than a pixel, and a third of the page's
    size."""
    span = float(np.ptp(coordinates, axis=0).max())
    digits = int(np.clip(np.ceil(4 - np.log10(span)), 0, 12)) if span > 0 else 4
    return np.round(coordinates, digits)


def _look(colouring: Colouring, rows: npt.NDArray[np.int64], place: int | None) -> tuple[list[str], dict[str, Any]]:
    """Keys and marker of the rows of one class (or all numbers, or all missing ones)."""
    if colouring.missing[rows[0]]:
        return [MISSING_KEY], {"color": MISSING_COLOUR, "symbol": MISSING_SYMBOL, "opacity": 0.9}
    if place is not None:
        return [f"class-{place}"], {"color": CLASS_COLOURS[place], "symbol": CLASS_SYMBOLS[place]}
    low, high = colouring.shown(colouring.limits()).tolist()
    return [], {
        "color": colouring.shown(colouring.values[rows].astype(np.float64)).round(6).tolist(),
        "colorscale": plotly_scale(colouring.scale),
        "cmin": low,
        "cmax": high,
    }


def _shrink(count: int) -> float:
    """Points get smaller where there are many."""
    return 1.0 if count < WEBGL_FROM else 0.7 if count < 10 * WEBGL_FROM else 0.45
