"""How well a clustering agrees with classes, without a map between them: NMI, ARI, Hungarian accuracy and purity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import Labels


@dataclass(frozen=True)
class ClusteringScores:
    """Agreement of K clusters with C classes.

    Attributes:
        clusters: K.
        classes: C.
        nmi: normalised mutual information (arithmetic mean of the entropies), 0 to 1.
        ari: adjusted Rand index: 1 the same partition, about 0 by chance.
        hungarian: accuracy under the best one-to-one map of clusters to classes; None unless K = C. The map is read
            from the truth that is scored, so it is no prediction.
        purity: share of rows of their cluster's most frequent class in this truth; it grows with K, to 1 at K = N.
    """

    clusters: int
    classes: int
    nmi: float
    ari: float
    hungarian: float | None
    purity: float


def clustering_scores(
    truth: Labels, clusters: npt.NDArray[Any], count: int, classes: int | None = None
) -> ClusteringScores:
    """Score a clustering.

    Args:
        truth: (N,) classes, at least one row.
        clusters: (N,) in 0 ... count - 1.
        count: K, clusters without a row here counted.
        classes: C of the study; those of the truth when None.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    names, place = np.unique(truth, return_inverse=True)
    table = np.zeros((count, len(names)), dtype=np.int64)
    np.add.at(table, (clusters, place), 1)
    known = len(names) if classes is None else classes
    hungarian = None
    if count == known:
        best = linear_sum_assignment(table, maximize=True)
        hungarian = float(table[best].sum() / len(truth))
    return ClusteringScores(
        count,
        known,
        float(normalized_mutual_info_score(truth, clusters)),
        float(adjusted_rand_score(truth, clusters)),
        hungarian,
        float(table.max(axis=1).sum() / len(truth)),
    )
