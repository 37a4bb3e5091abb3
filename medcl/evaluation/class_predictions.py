"""What a classifier says of some rows: one class each, and the share of every class from which an AUC is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class ClassPredictions:
    """Predictions of N rows.

    Attributes:
        classes: C names, in the order of the columns of `shares`.
        predicted: (N,) names; of the most likely class, or of the class of the row's cluster.
        shares: (N, C) how likely each class is; every row sums to 1.
    """

    classes: tuple[str, ...]
    predicted: Labels
    shares: npt.NDArray[np.float64]

    def of(self, rows: npt.NDArray[Any]) -> ClassPredictions:
        """The predictions of some rows: places (M,) or a mask (N,)."""
        return ClassPredictions(self.classes, self.predicted[rows], self.shares[rows])

    def balanced(self, labels: Labels) -> ClassPredictions:
        """The predictions as if all classes were equally frequent in training.

        Shares are divided by how frequent a class is there (Menon et al., Long-tail learning via logit adjustment, ICLR
        2021, after the training): where classes are as frequent elsewhere as here, this trades accuracy for balance.

        Args:
            labels: (M,) of the training rows that were read.
        """
        totals = np.array([(labels == name).sum() for name in self.classes])
        shares = equal_classes(self.shares, totals)
        return ClassPredictions(self.classes, np.array(self.classes)[shares.argmax(axis=1)], shares)


def equal_classes(shares: npt.NDArray[np.float64], totals: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Shares (N, C) divided by the frequency of each class, (C,) all above 0, and scaled to sum to 1 again."""
    weighted = shares / totals
    scaled: npt.NDArray[np.float64] = weighted / weighted.sum(axis=1, keepdims=True)
    return scaled


def text_labels(labels: Sequence[object] | npt.NDArray[Any]) -> Labels:
    """Labels (N,) as text, "" where there is none (None, NaN or "")."""
    words = ["" if value is None or value != value else str(value) for value in labels]
    return np.array(words, dtype=np.str_) if words else np.empty(0, dtype="<U1")
