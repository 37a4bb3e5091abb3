"""k nearest neighbours: a row is given the class that most of its k nearest rows of a memory bank have.

k = 5 and a bank made of part of the training rows: Ferrante and colleagues, "Contrastive learning for unsupervised
medical image clustering and reconstruction". Their distance is not told; here it is an argument.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import ClassPredictions, Labels
from medcl.study.errors import BadInput

K = 5
Metric = Literal["cosine", "euclidean"]


def nearest_neighbours(
    bank: npt.NDArray[Any], labels: Labels, rows: npt.NDArray[Any], *, k: int = K, metric: Metric = "euclidean"
) -> ClassPredictions:
    """Classes of rows by vote; a tie goes to the first class in order.

    Args:
        bank: (M, F) training rows.
        labels: (M,) their classes, without missing values.
        rows: (N, F) to be predicted.
        k: voters.
        metric: "cosine" for embeddings of unit length (z), "euclidean" for others (h, pixels).

    Raises:
        BadInput: a bank of fewer than k rows.
    """
    from sklearn.neighbors import KNeighborsClassifier

    if len(bank) < k:
        raise BadInput(
            f"{k} nearest neighbours need at least {k} labelled training rows, found {len(bank)}: "
            "label more rows, or raise the share of labels."
        )
    model = KNeighborsClassifier(n_neighbors=k, metric=metric).fit(bank, np.asarray(labels, dtype=np.str_))
    shares = np.asarray(model.predict_proba(rows), dtype=np.float64)
    classes = np.asarray(model.classes_, dtype=np.str_)
    return ClassPredictions(tuple(classes.tolist()), classes[np.argmax(shares, axis=1)], shares)
