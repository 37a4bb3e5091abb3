"""The map coloured by cluster: every cluster's points with its own mark, and its name where its points lie."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.figures.clustering.marks import mark
from medcl.figures.labels import SPLITS
from medcl.figures.maps import Map
from medcl.figures.points import Points
from medcl.figures.scatter import Trace, point_trace, rounded

LABEL: dict[str, Any] = {
    "showarrow": False,
    "bgcolor": "rgba(255,255,255,0.86)",
    "bordercolor": "#1b1f24",
    "borderwidth": 1,
    "borderpad": 1,
    "yshift": 17,
    "font": {"size": 12},
}
"""How a cluster's name stands on the map, as plotly's annotation."""


def cluster_traces(points: Points, clusters: npt.NDArray[np.int64], found: Map) -> list[Trace]:
    """The traces of one map, held-out patients on top; `meta` names rows and the keys of the buttons.

    Args:
        points: the N rows.
        clusters: (N,) places of their clusters.
        found: where they lie.
    """
    splits = np.array(points.splits)
    made = []
    for split in SPLITS:
        for place in np.unique(clusters[splits == split]).tolist():
            rows = np.flatnonzero((splits == split) & (clusters == place))
            own = mark(place)
            marker = {"color": own.colour, "symbol": own.symbol}
            made.append(point_trace(points, found, rows, [key(place)], marker))
    return made


def labels(clusters: npt.NDArray[np.int64], found: Map, names: Sequence[str]) -> list[dict[str, Any]]:
    """Names of the clusters on the map, each on that of its points which lies nearest to their median, with its key."""
    coordinates = rounded(found.coordinates)
    made = []
    for place in np.unique(clusters).tolist():
        own = coordinates[clusters == place]
        x, y = own[((own - np.median(own, axis=0)) ** 2).sum(axis=1).argmin()].tolist()
        made.append({"key": key(place), "x": x, "y": y, "text": f"<b>{escape(names[place])}</b>"})
    return made


def annotated(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Labels as plotly's layout takes them."""
    return [LABEL | {name: each[name] for name in ("x", "y", "text")} for each in found]


def key(place: int) -> str:
    """Of the button that shows and hides a cluster."""
    return f"cluster-{place}"
