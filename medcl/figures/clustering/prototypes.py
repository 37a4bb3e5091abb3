"""The clusters as pictures: each prototype as the decoder draws it, and the real images that lie nearest to it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from medcl.figures.clustering.cluster import Cluster, Example
from medcl.figures.clustering.marks import marked_name
from medcl.figures.clustering.still import Hanging, img, still
from medcl.figures.labels import SPLITS
from medcl.study.plural import counted

STYLE = """
.prototypes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 410px), 1fr)); gap: 12px; }
.prototype { border: 1px solid var(--line); padding: 8px 12px 10px; break-inside: avoid; }
.prototype h3 { display: flex; flex-wrap: wrap; gap: 2px 12px; justify-content: space-between; align-items: baseline;
  margin: 0 0 7px; font-size: 15px; font-weight: 650; }
.prototype h3 .count { font-weight: 400; color: var(--soft); font-size: 13px; }
.cluster-name { display: inline-flex; align-items: center; gap: 4px; overflow-wrap: break-word; }
.cluster-name svg { flex: none; }
.pictures { display: flex; flex-wrap: wrap; gap: 8px; align-items: flex-start; }
.pictures figcaption { font-size: 11.5px; line-height: 1.35; margin-top: 2px; overflow-wrap: anywhere; }
.pictures .real { max-width: 76px; }
.pictures .drawn figcaption { color: var(--ink); font-weight: 600; }
.pictures img, .rebuilt img { display: block; max-width: 100%; background: #000; }
.pictures.deep { display: grid; grid-template-columns: 1fr 1fr; }
.pictures.deep .real { max-width: 100%; }
.pictures.deep img, .rebuilt.deep img { background: none; height: auto; }
img.pixels { image-rendering: pixelated; }
.pictures:not(.deep) .drawn img { outline: 2px solid var(--ink); outline-offset: 1px; }
@media print { .prototypes { grid-template-columns: 1fr 1fr; } .pictures { gap: 5px; }
  .pictures:not(.deep) .drawn { width: 84px; } .pictures:not(.deep) .real { width: 58px; }
  .pictures:not(.deep) img { width: 100%; height: auto; }
  img { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

_HIGH, _SMALL = 112, 76
"""Pixels of a 2D prototype and of a real image on the screen."""


def prototypes(clusters: Sequence[Cluster], hanging: Hanging, white: float, ids: bool) -> str:
    """The clusters as HTML; nothing where no cluster has a picture.

    Args:
        clusters: in their order.
        hanging: how the arrays lie.
        white: the intensity drawn white.
        ids: whether patients may be named.
    """
    if not any(cluster.prototype is not None or cluster.nearest for cluster in clusters):
        return ""
    cards = "".join(_card(cluster, place, hanging, white, ids) for place, cluster in enumerate(clusters))
    return (
        '<section id="prototypes"><h2>Prototypes and the images nearest to them</h2>'
        f'<div class="prototypes">{cards}</div></section>'
    )


def _card(cluster: Cluster, place: int, hanging: Hanging, white: float, ids: bool) -> str:
    parts = [split.removesuffix(" patients").lower() for split in SPLITS.values()]
    sizes = [
        f"{cluster.sizes[key]:,} {part}" for key, part in zip(SPLITS, parts, strict=True) if cluster.sizes.get(key)
    ]
    told = counted(cluster.size, "image") + (f": {', '.join(sizes)}" if sizes else "")
    drawn, deep = "", ""
    if cluster.prototype is not None:
        flat = cluster.prototype.ndim == 2
        shown = img(
            still(cluster.prototype, hanging, white), hanging, f"Prototype of cluster {cluster.name}", _HIGH, flat
        )
        drawn = f'<figure class="drawn">{shown}<figcaption>prototype</figcaption></figure>'
        deep = "" if flat else " deep"
    real = "".join(
        _real(example, number, cluster, hanging, white, ids) for number, example in enumerate(cluster.nearest, 1)
    )
    if cluster.nearest and cluster.nearest[0].pixels.ndim == 3:
        deep = " deep"
    return (
        f'<article class="prototype" data-cluster="{place}"><h3>{marked_name(place, cluster.name)}'
        f'<span class="count">{escape(told)}</span></h3><div class="pictures{deep}">{drawn}{real}</div></article>'
    )


def _real(example: Example, number: int, cluster: Cluster, hanging: Hanging, white: float, ids: bool) -> str:
    name = example.name(ids)
    alt = f"Nearest image {number} of cluster {cluster.name}" + (f", {name}" if name else "")
    shown = img(still(example.pixels, hanging, white), hanging, alt, _SMALL, example.pixels.ndim == 2)
    return f'<figure class="real">{shown}<figcaption>{escape(name or f"nearest {number}")}</figcaption></figure>'
