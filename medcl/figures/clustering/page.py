"""The page of `medcl cluster train` and `apply`: clusters on maps, as pictures, and beside clinical variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from medcl.figures import legend as legend_block
from medcl.figures import plotly_panel, sortable_table, strip_plot
from medcl.figures.clustering import (
    elbow,
    map_panels,
    prototypes,
    reconstructions,
    score_table,
    sizes,
    stability,
    strata,
)
from medcl.figures.clustering.cluster import Cluster
from medcl.figures.clustering.cluster_maps import ClusterMaps
from medcl.figures.clustering.elbow import Elbow
from medcl.figures.clustering.reading import reading_notes
from medcl.figures.clustering.reconstructions import Reconstruction
from medcl.figures.clustering.score_table import ScoreTable
from medcl.figures.clustering.stability import Agreement
from medcl.figures.clustering.still import Hanging, white_of
from medcl.figures.clustering.strata import Strata
from medcl.figures.page import fact_list, footer, notes, page
from medcl.study.plural import counted

STYLE = """
dl.head { margin: 16px 0 0; }
nav.parts { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 12px 0 0; }
body section:not(.notes) { margin-top: 26px; scroll-margin-top: 10px; }
section > h2 { font-size: 17px; break-after: avoid; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 500px), 1fr)); gap: 0 40px; }
"""

PARTS = {
    "maps-of-features": "Maps",
    "prototypes": "Prototypes",
    "strata": "Clinical variables",
    "sizes": "Sizes",
    "elbow": "Number of clusters",
    "stability": "Stability",
    "reconstructions": "Reconstructions",
    "scores": "Scores",
}
"""Blocks that a page may have, and how its links call them."""


def clustering_page(
    clusters: Sequence[Cluster],
    *,
    name: str,
    patients: int,
    command: str = "cluster train",
    run: str = "",
    rows: Literal["image", "exam"] = "image",
    maps: ClusterMaps | None = None,
    hanging: Hanging | None = None,
    reconstructed: Sequence[Reconstruction] = (),
    numbers: Elbow | None = None,
    strata_found: Strata | None = None,
    agreements: Sequence[Agreement] = (),
    scores: Sequence[ScoreTable] = (),
    head: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
    said: Sequence[str] = (),
    ids: bool = True,
) -> str:
    """The whole page as HTML; blocks without content are left out.

    Args:
        clusters: in the order of the places that assignments have.
        name: file name of the page, without ending.
        patients: whose images were clustered.
        command: that made the page.
        run: its name; "" when there is none.
        rows: what one row is.
        maps: images on maps.
        hanging: how the arrays of the pictures lie; along the patient's axes with voxels of 1 mm unless told.
        reconstructed: images beside their reconstructions.
        numbers: how the number of clusters came about.
        strata_found: clinical variables by cluster.
        agreements: repeats of the clustering.
        scores: further tables, such as classification where there are labels.
        head: facts above everything.
        facts: settings, seed and versions, for the footer.
        said: what a reader must know first: what was left out, empty clusters.
        ids: whether patients may be named.
    """
    hanging = hanging or Hanging()
    if maps is not None:
        maps = replace(maps, points=replace(maps.points, show_ids=ids and maps.points.show_ids))
    white = white_of(
        [example.pixels for each in clusters for example in each.nearest] + [r.example.pixels for r in reconstructed]
    )
    blocks = [
        map_panels.map_panels(maps, clusters, rows) if maps else "",
        prototypes.prototypes(clusters, hanging, white, ids),
        strata.strata_table(strata_found, clusters) if strata_found else "",
        _beside(sizes.sizes(clusters), elbow.elbow_curve(numbers) if numbers else ""),
        stability.stability(agreements),
        reconstructions.reconstructions(reconstructed, clusters, hanging, white, ids),
        score_table.score_tables(scores),
    ]
    settings = {"Maps": "; ".join(found.settings for found in maps.maps)} if maps else {}
    body = [
        fact_list(head, "facts head") if head else "",
        notes("Before you read on", said),
        _links(blocks),
        *blocks,
        notes("How to read this page", reading_notes(clusters, maps, bool(agreements), white)),
        footer({**(facts or {}), **settings}),
        map_panels.map_scripts(maps, clusters, name, rows) if maps else "",
    ]
    images = sum(cluster.size for cluster in clusters)
    return page(
        "Clusters of the images" + (f" of {run}" if run else ""),
        body,
        kicker=f"medcl · {command}",
        subtitle=f"{counted(images, rows)} of {counted(patients, 'patient')} in {counted(len(clusters), 'cluster')}, "
        "found by what the images look like.",
        style=_style(),
    )


def _links(blocks: Sequence[str]) -> str:
    there = "".join(blocks)
    links = "".join(f'<a href="#{part}">{title}</a>' for part, title in PARTS.items() if f'id="{part}"' in there)
    return f'<nav class="parts screen-only" aria-label="Parts of this page">{links}</nav>'


def _beside(left: str, right: str) -> str:
    return f'<div class="beside">{left}{right}</div>' if right else left


def _style() -> str:
    common = legend_block.STYLE + plotly_panel.STYLE + sortable_table.STYLE + strip_plot.STYLE
    own = (map_panels, prototypes, strata, sizes, elbow, stability, reconstructions, score_table)
    return common + "".join(each.STYLE for each in own) + STYLE
