"""Maps of features with the cluster of each image: what the page's panels show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from medcl.figures.colouring import Colouring
from medcl.figures.maps import Map, fit_map
from medcl.figures.points import Points

MOST_MAPPED = 5000
"""Images of a map; of more a random part is drawn: t-SNE would take long, and the page would be heavy."""

METHODS = ("tsne", "pca", "umap")
"""Maps of the page, the first shown first."""


@dataclass(frozen=True)
class ClusterMaps:
    """N images on maps.

    Attributes:
        points: who they are.
        clusters: (N,) places of their clusters in the page's list.
        maps: over the same rows.
        colouring: the clinical variable beside the clusters, over the same rows; None where there is none.
        notes: what was left out, in sentences.
    """

    points: Points
    clusters: npt.NDArray[np.int64]
    maps: tuple[Map, ...]
    colouring: Colouring | None = None
    notes: tuple[str, ...] = ()


def cluster_maps(
    features: npt.ArrayLike,
    points: Points,
    clusters: npt.ArrayLike,
    colouring: Colouring | None = None,
    *,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
    most: int = MOST_MAPPED,
) -> ClusterMaps:
    """Map features (N, F), or those of `most` images drawn by the seed.

    Args:
        features: h, one row an image.
        points: the N images.
        clusters: (N,) places of their clusters, from 0.
        colouring: of the N images.
        methods: keys of MAPS.
        seed: of the draw and of the maps.
        most: images on a map.

    Raises:
        BadInput: as `fit_map`.
    """
    rows, places = np.asarray(features, dtype=np.float64), np.asarray(clusters, dtype=np.int64)
    notes = []
    if len(rows) > most:
        notes.append(
            f"The maps show {most:,} of {len(rows):,} images, drawn at random (seed {seed}): more would hide each "
            "other and take long. Sizes, prototypes and tables are of all."
        )
        drawn = np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))
        rows, places = rows[drawn], places[drawn]
        points = _some_points(points, drawn)
        colouring = None if colouring is None else _some_values(colouring, drawn)
    fitted = tuple(fit_map(method, rows, seed=seed) for method in methods)
    return ClusterMaps(points, places, fitted, colouring, tuple(notes))


def _some_points(points: Points, rows: npt.NDArray[np.int64]) -> Points:
    return replace(
        points,
        patients=[points.patients[row] for row in rows],
        exams=[points.exams[row] for row in rows],
        sequences=[points.sequences[row] for row in rows],
        splits=[points.splits[row] for row in rows],
        variables=[_some_values(variable, rows) for variable in points.variables],
    )


def _some_values(colouring: Colouring, rows: npt.NDArray[np.int64]) -> Colouring:
    censored = frozenset(place for place, row in enumerate(rows) if int(row) in colouring.censored)
    return replace(colouring, values=colouring.values[rows], censored=censored)
