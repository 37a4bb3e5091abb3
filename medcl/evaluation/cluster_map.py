"""From cluster to class: each cluster is given the class that most of its labelled training rows have.

The statistical evaluation of Ferrante and colleagues ("Contrastive learning for unsupervised medical image clustering
and reconstruction"): the map is made of training labels and then read for validation and test rows, whose own labels it
never sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import ClassPredictions, Labels, equal_classes
from medcl.study.errors import BadInput


@dataclass(frozen=True, eq=False)
class ClusterMap:
    """Which class each of K clusters stands for.

    Attributes:
        classes: C names, in order.
        of_cluster: (K,) the class of each cluster.
        counts: (K, C) labelled training rows of each cluster and class.
        shares: (K, C) the same as shares of the cluster; of a cluster without labelled rows, of all labelled rows.
        notes: clusters without labelled rows, and ties, told.
    """

    classes: tuple[str, ...]
    of_cluster: Labels
    counts: npt.NDArray[np.int64]
    shares: npt.NDArray[np.float64]
    notes: tuple[str, ...]

    def predict(
        self, clusters: Sequence[int] | npt.NDArray[Any], soft: npt.NDArray[Any] | None = None
    ) -> ClassPredictions:
        """Classes of rows by their clusters.

        Args:
            clusters: (N,) in 0 ... K - 1.
            soft: (N, K) how much a row belongs to each cluster. Class shares are then `soft @ shares`, so that rows of
                one cluster can be told apart by an AUC; the predicted class is that of the cluster all the same.

        Raises:
            BadInput: a cluster that the map does not know, or a soft assignment of another size.
        """
        numbers = _numbers(clusters, len(self.of_cluster))
        if soft is not None and soft.shape != (len(numbers), len(self.of_cluster)):
            raise BadInput(
                f"the soft assignment is of {soft.shape}, but {len(numbers)} rows and {len(self.of_cluster)} clusters "
                "were given: both must be of the same run."
            )
        shares = self.shares[numbers] if soft is None else np.asarray(soft, dtype=np.float64) @ self.shares
        return ClassPredictions(self.classes, self.of_cluster[numbers], shares)

    def balanced(self) -> ClusterMap:
        """The map as if all classes were equally frequent in training: a cluster is given the class that it has more of
        than others have, which need not be its most frequent one."""
        totals = self.counts.sum(axis=0)
        shares = equal_classes(self.shares, totals)
        # of equals the more frequent class in training, as in the map itself; rounding must not decide
        order = np.argsort(-totals, kind="stable")
        chosen = order[np.argmax(shares[:, order].round(12), axis=1)]
        return ClusterMap(self.classes, np.array(self.classes)[chosen], self.counts, shares, self.notes)


def map_clusters(clusters: Sequence[int] | npt.NDArray[Any], labels: Labels, count: int) -> ClusterMap:
    """Make the map; give it training rows only.

    A tie goes to the class that is more frequent in training, then to the first in order. A cluster without labelled
    training rows is given the majority class of training.

    Args:
        clusters: (N,) of labelled training rows, in 0 ... count - 1.
        labels: (N,) their classes, without missing values.
        count: K.

    Raises:
        BadInput: no rows, other numbers of clusters than of labels, or a cluster outside 0 ... count - 1.
    """
    numbers, names = _numbers(clusters, count), np.asarray(labels, dtype=np.str_)
    if len(numbers) != len(names) or not len(names):
        raise BadInput(
            f"{len(numbers)} clusters and {len(names)} labels were given: a map needs a label for each training row."
        )
    classes, place = np.unique(names, return_inverse=True)
    counts = np.zeros((count, len(classes)), dtype=np.int64)
    np.add.at(counts, (numbers, place), 1)
    totals = counts.sum(axis=0)
    # argmax takes the first of equals: so the columns stand with the most frequent class first
    order = np.argsort(-totals, kind="stable")
    chosen = classes[order[np.argmax(counts[:, order], axis=1)]]
    sizes = counts.sum(axis=1, keepdims=True)
    shares = np.where(sizes > 0, counts / np.maximum(sizes, 1), totals / totals.sum())
    return ClusterMap(tuple(classes.tolist()), chosen, counts, shares, _notes(counts, chosen))


def _numbers(clusters: Sequence[int] | npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    numbers = np.asarray(clusters, dtype=np.int64)
    if wrong := sorted(set(numbers[(numbers < 0) | (numbers >= count)].tolist())):
        raise BadInput(f"cluster {wrong[0]} is none of the {count} clusters 0 to {count - 1}.")
    return numbers


def _notes(counts: npt.NDArray[np.int64], chosen: Labels) -> tuple[str, ...]:
    notes = []
    for cluster, (row, name) in enumerate(zip(counts, chosen, strict=True)):
        if not row.any():
            notes.append(
                f"cluster {cluster + 1} has no labelled training row: it is given the majority class '{name}'."
            )
        elif (row == row.max()).sum() > 1:
            notes.append(
                f"cluster {cluster + 1}: {row.max()} labelled training rows of each of several classes; '{name}'."
            )
    return tuple(notes)
