"""Scores of predictions, by name: R2 and mean absolute error for numbers, balanced accuracy for classes.

Each takes the truth and the predictions, both (N,), and returns one number; NaN where it is not defined (R2
of a constant truth or of fewer than two values). R2 is 1 - SSE / SST about the mean of the truth that is
scored, so that 0 is a constant guess at their mean and below 0 is worse than that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Score = Callable[[Values, Values], float]


def r2(truth: Values, predicted: Values) -> float:
    """Coefficient of determination."""
    truth = truth.astype(np.float64)
    total = float(((truth - truth.mean()) ** 2).sum()) if len(truth) else 0.0
    return 1.0 - float(((truth - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def mean_absolute_error(truth: Values, predicted: Values) -> float:
    """Mean absolute error, in the unit of the truth."""
    return float(np.abs(truth - predicted).mean()) if len(truth) else float("nan")


def balanced_accuracy(truth: Values, predicted: Values) -> float:
    """Mean over the classes of the truth of the share that is predicted right."""
    classes = np.unique(truth)
    return (
        float(np.mean([(predicted[truth == name] == name).mean() for name in classes]))
        if len(classes)
        else float("nan")
    )


SCORES: dict[str, Score] = {"r2": r2, "mae": mean_absolute_error, "balanced_accuracy": balanced_accuracy}
