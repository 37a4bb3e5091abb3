"""The maps of the page: clusters beside a clinical variable, on the same map, with a legend for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from medcl.figures import legend as legend_block
from medcl.figures import plotly_panel
from medcl.figures.chips import chip, chip_group
from medcl.figures.clustering.cluster import Cluster
from medcl.figures.clustering.cluster_maps import ClusterMaps
from medcl.figures.clustering.map_script import map_script
from medcl.figures.clustering.map_traces import LABEL, annotated, cluster_traces, key, labels
from medcl.figures.clustering.marks import mark_svg
from medcl.figures.colouring import Colouring
from medcl.figures.embedding_page import CAPTIONS, TITLES
from medcl.figures.labels import readable
from medcl.figures.points import Points
from medcl.figures.scatter import WEBGL_FROM, layout, rounded, traces
from medcl.study.plural import counted

STYLE = """
fieldset.maps { border: 0; margin: 12px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 18px; }
fieldset.maps[hidden] { display: none; }
fieldset.maps legend { float: left; font-weight: 650; padding: 0; margin-right: 14px; }
fieldset.maps label { display: inline-flex; gap: 5px; align-items: center; }
.map-legends { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(430px, 100%), 1fr)); gap: 0 26px; }
.map-legends .legend { align-content: flex-start; }
"""


def map_panels(shown: ClusterMaps, clusters: Sequence[Cluster], rows: str) -> str:
    """Menu, legend and empty panels as HTML; `map_scripts` draws into them.

    Args:
        shown: the images and their maps.
        clusters: of the page.
        rows: what one row is, in words.
    """
    first = shown.maps[0]
    menu = "".join(
        f'<label><input type="radio" name="map" value="{place}"{" checked" if place == 0 else ""}>'
        f"{TITLES[found.method]}</label>"
        for place, found in enumerate(shown.maps)
    )
    chosen = f'<fieldset class="maps screen-only" id="maps" hidden><legend>Map</legend>{menu}</fieldset>'
    kinds = ["clusters"] + ([shown.colouring.title] if shown.colouring else [])
    figures = "".join(
        _figure(place, kind, said, first.method, len(shown.points))
        for place, (kind, said) in enumerate(zip(kinds, _said(shown, first.method, rows), strict=True))
    )
    title = f"Clusters beside {readable(shown.colouring.name)}" if shown.colouring else "Clusters"
    return (
        f'<section id="maps-of-features"><h2>{escape(title)}</h2>'
        f"{chosen if len(shown.maps) > 1 else ''}"
        f'<div class="map-legends">{_legend(shown, clusters, rows)}</div><div class="panels">{figures}</div>'
        "<noscript><p>The maps are drawn by a script: allow JavaScript to see them.</p></noscript></section>"
    )


def map_scripts(shown: ClusterMaps, clusters: Sequence[Cluster], name: str, rows: str) -> str:
    """Data and scripts of the panels, for the end of a page's body."""
    first, names = shown.maps[0], [cluster.name for cluster in clusters]
    found = [labels(shown.clusters, each, names) for each in shown.maps]
    left = layout(first) | {"annotations": annotated(found[0])}
    panels = [plotly_panel.panel("map-0", cluster_traces(shown.points, shown.clusters, first), left)]
    if shown.colouring is not None:
        panels.append(plotly_panel.panel("map-1", traces(shown.points, shown.colouring, first), layout(first)))
    told = [_told(shown, place, found[place], rows) for place in range(len(shown.maps))]
    hover = _with_cluster(shown.points, shown, names).hover()
    return f"{plotly_panel.scripts(name, hover, panels)}\n{map_script(told, LABEL)}"


def _told(shown: ClusterMaps, place: int, found: list[dict[str, Any]], rows: str) -> dict[str, Any]:
    each = shown.maps[place]
    coordinates = rounded(each.coordinates)
    return {
        "method": each.method,
        "name": TITLES[each.method],
        "caption": _caption(each.method, len(shown.points)),
        "axes": list(each.axes),
        "ticks": layout(each)["xaxis"]["showticklabels"],
        "said": _said(shown, each.method, rows),
        "x": coordinates[:, 0].tolist(),
        "y": coordinates[:, 1].tolist(),
        "labels": found,
    }


def _said(shown: ClusterMaps, method: str, rows: str) -> list[str]:
    """Each panel in words, for those who hear the page."""
    start = f"{TITLES[method]} of {counted(len(shown.points), rows)}, coloured by "
    return [start + "cluster"] + ([start + shown.colouring.title] if shown.colouring else [])


def _caption(method: str, count: int) -> str:
    return CAPTIONS[method] + (" Drawn by WebGL." if count >= WEBGL_FROM else "")


def _figure(place: int, kind: str, said: str, method: str, count: int) -> str:
    identity = f"map-{place}"
    caption = f"<figcaption data-map-caption>{escape(_caption(method, count))}</figcaption>" if place == 0 else ""
    return (
        f'<figure aria-labelledby="{identity}-title"><h2 id="{identity}-title"><span data-map-name>{TITLES[method]}'
        f'</span>: {escape(kind)}</h2><div class="plot" id="{identity}" role="img" tabindex="0" '
        f'aria-label="{escape(said)}"></div>{caption}</figure>'
    )


def _legend(shown: ClusterMaps, clusters: Sequence[Cluster], rows: str) -> str:
    counts = np.bincount(shown.clusters, minlength=len(clusters)).tolist()
    chips = [
        chip(key(place), mark_svg(place), cluster.name, f"{counts[place]:,}")
        for place, cluster in enumerate(clusters)
        if counts[place]
    ]
    more = f'<div class="more">{legend_block.row_chips(shown.points, shown.colouring, rows)}</div>'
    made = _group("Clusters and patients; the buttons show and hide points", chip_group("Clusters", chips) + more)
    if shown.colouring is not None:
        made += _group(shown.colouring.title, legend_block.variable_legend(shown.colouring))
    return made


def _group(said: str, inside: str) -> str:
    return f'<div class="legend" role="group" aria-label="{escape(said)}">{inside}</div>'


def _with_cluster(points: Points, shown: ClusterMaps, names: Sequence[str]) -> Points:
    """The points with their cluster, and the variable that is coloured, first in what is told when pointed at."""
    values = np.array([names[place] for place in shown.clusters], dtype=object)
    first = [Colouring("cluster", "", "categorical", values)]
    others = {variable.name for variable in points.variables}
    if shown.colouring is not None and shown.colouring.name not in others:
        first.append(shown.colouring)
    return replace(points, variables=[*first, *points.variables])
