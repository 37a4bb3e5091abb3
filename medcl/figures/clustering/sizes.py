"""How many images each cluster has in each split, as a table with bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medcl.figures.clustering.cluster import Cluster
from medcl.figures.clustering.marks import marked_name
from medcl.figures.labels import SPLITS

STYLE = """
table.sizes { width: auto; font-size: 14px; }
table.sizes td, table.sizes th, table.sizes thead th { padding: 2px 10px 2px 6px; font-weight: 400; }
table.sizes thead th { font-weight: 650; }
table.sizes td:last-child { min-width: 0; }
table.sizes tbody tr:last-child > * { border-top: 2px solid var(--ink); font-weight: 600; }
table.sizes svg.bar { display: block; margin-top: 6px; fill: var(--soft); }
@media print { table.sizes { font-size: 8pt; } }
"""

_LONGEST = 120
_SHORT = {"train": "Training", "val": "Validation", "test": "Held-out", "new": "New", "": "Split not known"}


def sizes(clusters: Sequence[Cluster]) -> str:
    """The table as HTML; columns are the splits that have an image."""
    splits = [split for split in SPLITS if any(cluster.sizes.get(split) for cluster in clusters)]
    total = sum(cluster.size for cluster in clusters)
    heads = "".join(f'<th scope="col" class="number">{_SHORT[split]}</th>' for split in splits)
    rows = "".join(
        f'<tr><th scope="row">{marked_name(place, cluster.name)}</th>{_counts(cluster.sizes, splits, cluster.size)}'
        f'<td>{_bar(cluster.size, clusters)}</td><td class="number">{_share(cluster.size, total)}</td></tr>'
        for place, cluster in enumerate(clusters)
    )
    sums = {split: sum(cluster.sizes.get(split, 0) for cluster in clusters) for split in splits}
    last = f'<tr><th scope="row">All</th>{_counts(sums, splits, total)}<td></td><td></td></tr>'
    return (
        '<section id="sizes"><h2>Images in each cluster</h2>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Images in each cluster"><table class="sizes">'
        f'<thead><tr><th scope="col">Cluster</th>{heads}<th scope="col" class="number">All</th>'
        f'<th scope="col" colspan="2">Share</th></tr></thead><tbody>{rows}{last}</tbody></table></div></section>'
    )


def _counts(sizes: Mapping[str, int], splits: Sequence[str], total: int) -> str:
    counts = [*(sizes.get(split, 0) for split in splits), total]
    return "".join(f'<td class="number">{count:,}</td>' for count in counts)


def _bar(size: int, clusters: Sequence[Cluster]) -> str:
    wide = _LONGEST * size / max(*(cluster.size for cluster in clusters), 1)
    return (
        f'<svg class="bar" width="{_LONGEST}" height="10" aria-hidden="true">'
        f'<rect width="{wide:.1f}" height="10"/></svg>'
    )


def _share(size: int, total: int) -> str:
    return f"{100 * size / total:.1f}%" if total else "–"
