"""What the raw pixels tell without any training of a network, from the same labels: the rows a run has to beat.

Each of them reads the labels of the budget rows alone. PCA and KMeans see the pixels of all training rows, as a run
does, and are given classes by the same map from clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import ClassPredictions, Labels
from medcl.evaluation.cluster_map import map_clusters
from medcl.evaluation.nearest_neighbours import nearest_neighbours
from medcl.evaluation.pixel_components import pixel_components
from medcl.study.errors import BadInput

STARTS = 10
"""Of KMeans; the best is kept."""
ITERATIONS = 5000
"""At most, of the logistic regression's solver."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Baseline:
    """One baseline.

    Attributes:
        method: majority, 5 nearest neighbours, logistic regression (also balanced), PCA + KMeans.
        features: what it reads.
        predictions: of the rows asked for.
        balanced: the same as if classes were equally frequent in training; None of the majority class, and of the
            logistic regression, which has a balanced row of its own.
        clusters: (N,) of the same rows, where it is a clustering.
        notes: of the map from clusters.
    """

    method: str
    features: str
    predictions: ClassPredictions
    balanced: ClassPredictions | None = None
    clusters: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


def pixel_baselines(
    pixels: npt.NDArray[Any] | None,
    labels: Labels,
    *,
    training: Rows,
    budget: Rows,
    rows: Rows,
    clusters: int,
    seed: int = 0,
) -> list[Baseline]:
    """Fit all baselines and predict.

    Args:
        pixels: (N, P) images as rows, all as the run saw them; without them the majority class alone is given.
        labels: (N,) classes; only those of the budget rows are read.
        training: places of all training rows.
        budget: places of the training rows whose labels may be read.
        rows: places of what is predicted.
        clusters: K of KMeans, as of the run.
        seed: of PCA and KMeans.

    Raises:
        BadInput: fewer training rows than clusters, fewer budget rows than neighbours, or one class only among them.
    """
    known = labels[budget]
    found = [Baseline("majority class", "none", _majority(known, len(rows)))]
    if pixels is None:
        return found
    if len(training) < clusters:
        raise BadInput(f"KMeans on pixels needs as many training rows as clusters ({clusters}), found {len(training)}.")
    seen, asked = pixels[budget], pixels[rows]
    neighbours = nearest_neighbours(seen, known, asked, metric="euclidean")
    return [
        *found,
        Baseline("5 nearest neighbours", "pixels", neighbours, neighbours.balanced(known)),
        Baseline("logistic regression", "pixels", _logistic(seen, known, asked, None)),
        Baseline("logistic regression, balanced", "pixels", _logistic(seen, known, asked, "balanced")),
        _clustered(pixels, labels, (training, budget, rows), clusters, seed),
    ]


def _majority(labels: Labels, count: int) -> ClassPredictions:
    """The most frequent class, of equals the first in order, for every row."""
    classes, counts = np.unique(labels, return_counts=True)
    shares = np.tile(counts / counts.sum(), (count, 1))
    return ClassPredictions(tuple(classes.tolist()), np.full(count, classes[np.argmax(counts)]), shares)


def _logistic(seen: npt.NDArray[Any], labels: Labels, asked: npt.NDArray[Any], weights: str | None) -> ClassPredictions:
    """scikit-learn's logistic regression with its usual penalty (C = 1), on pixels standardised over the budget."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(labels.tolist())) < 2:
        raise BadInput(f"a logistic regression needs at least 2 classes, but all labels are '{labels[0]}'.")
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight=weights, max_iter=ITERATIONS))
    model.fit(seen.astype(np.float64), labels)
    shares = np.asarray(model.predict_proba(asked.astype(np.float64)), dtype=np.float64)
    classes = np.asarray(model.classes_, dtype=np.str_)
    return ClassPredictions(tuple(classes.tolist()), classes[np.argmax(shares, axis=1)], shares)


def _clustered(
    pixels: npt.NDArray[Any], labels: Labels, places: tuple[Rows, Rows, Rows], clusters: int, seed: int
) -> Baseline:
    """KMeans on the first principal components of all training rows, with classes from the budget rows."""
    from sklearn.cluster import KMeans

    training, budget, rows = places
    reduced = pixel_components(pixels, training, seed=seed)
    components = reduced.shape[1]
    kmeans = KMeans(clusters, n_init=STARTS, random_state=seed).fit(reduced[training])
    mapped = map_clusters(kmeans.predict(reduced[budget]), labels[budget], clusters)
    found = np.asarray(kmeans.predict(reduced[rows]), dtype=np.int64)
    predicted, weighted = (each.predict(found) for each in (mapped, mapped.balanced()))
    return Baseline("KMeans", f"PCA{components} of pixels", predicted, weighted, found, mapped.notes)
