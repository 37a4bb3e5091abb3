"""Scores of predictions, by name: R2 and mean absolute error for numbers, balanced accuracy and the area under the ROC
curve for classes, concordance for the time to an event.

Each takes the truth and the predictions of N rows and returns one number; NaN where it is not defined (R2 of a constant
truth or of fewer than two values, an area where a class has no row). R2 is 1 - SSE / SST about the mean of the truth
that is scored, so that 0 is a constant guess at their mean and below 0 is worse than that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Score = Callable[[Values, Values], float]
Kind = Literal["numeric", "categorical", "survival"]


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


def auc(truth: Values, shares: Values) -> float:
    """Area under the ROC curve; of three or more classes the macro mean of each against the rest.

    Args:
        truth: (N,) places of the classes among the columns of `shares`.
        shares: (N, C) how likely each class is.
    """
    from scipy.stats import rankdata

    classes = shares.shape[1] if shares.ndim == 2 else 0
    counts = np.bincount(truth.astype(np.int64), minlength=classes)
    if classes < 2 or len(counts) != classes or not counts.all():
        return float("nan")
    areas = []
    # of two classes both areas are the same number
    for place in [1] if classes == 2 else range(classes):
        own, others = int(counts[place]), int(len(truth) - counts[place])
        wins = rankdata(shares[:, place])[truth == place].sum() - own * (own + 1) / 2
        areas.append(wins / (own * others))
    return float(np.mean(areas))


def concordance(truth: Values, risk: Values) -> float:
    """Harrell's C: of the pairs of which one is known to have had the event first, the share in which it has the
    greater risk; equal risks count half (Harrell et al., JAMA 1982).

    Args:
        truth: (N, 2) time, and 1 for the event or 0 for the end of follow-up. Of equal times the one that ends without
            the event is the longer; two events at once are no pair.
        risk: (N,) greater is sooner.
    """
    if not len(truth):
        return float("nan")
    time, event = truth[:, 0], truth[:, 1] > 0
    first, own = time[event][:, None], risk[event][:, None]
    pairs = (time > first) | ((time == first) & ~event)
    count = int(pairs.sum())
    right = (pairs & (own > risk)).sum() + 0.5 * (pairs & (own == risk)).sum()
    return float(right / count) if count else float("nan")


def _balanced_accuracy_of_shares(truth: Values, shares: Values) -> float:
    return balanced_accuracy(truth, shares.argmax(axis=1)) if len(truth) else float("nan")


SCORES: dict[str, Score] = {"r2": r2, "mae": mean_absolute_error, "balanced_accuracy": balanced_accuracy}

SCORES_OF: Mapping[Kind, Mapping[str, Score]] = {
    "numeric": {"r2": r2, "mae": mean_absolute_error},
    "categorical": {"auc": auc, "balanced_accuracy": _balanced_accuracy_of_shares},
    "survival": {"concordance": concordance},
}
"""By what the target is, of pooled predictions (see `pooled`): classes as places and shares (N, C), times (N, 2)."""
MAIN_SCORE: Mapping[Kind, str] = {"numeric": "r2", "categorical": "auc", "survival": "concordance"}
"""What is tested and compared; greater is better."""
