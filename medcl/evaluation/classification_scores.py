"""How right predicted classes are: accuracy, precision, recall, F1 and AUC.

Precision of a class: of the rows that are predicted to be it, the share that is. Recall: of the rows that are it, the
share that is predicted so. The two are not to be swapped, which is what happens when truth and predictions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import Labels
from medcl.evaluation.scores import auc, balanced_accuracy


@dataclass(frozen=True)
class ClassificationScores:
    """Scores of one set of predictions, all within 0 and 1; NaN where one is not defined.

    Attributes:
        accuracy: share of rows that are predicted right.
        balanced_accuracy: mean recall over the classes of the truth.
        precision_macro, recall_macro, f1_macro: plain means over the classes that are in the truth or predicted; a
            class that is never predicted has precision 0, one that is not in the truth recall 0.
        precision_weighted, recall_weighted, f1_weighted: means weighted by the rows of each class in the truth.
        auc: area under the ROC curve; of three or more classes the macro mean, each class against the rest. NaN
            where a class is missing in the truth, or the truth has a class without shares.
    """

    accuracy: float
    balanced_accuracy: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    precision_weighted: float
    recall_weighted: float
    f1_weighted: float
    auc: float


def classification_scores(
    truth: Labels,
    predicted: Labels,
    shares: npt.NDArray[Any] | None = None,
    classes: Sequence[str] = (),
) -> ClassificationScores:
    """Score predictions.

    Args:
        truth, predicted: (N,) classes, at least one row.
        shares: (N, C) how likely each class is; without them there is no AUC (NaN).
        classes: C names of the columns of `shares`.
    """
    from sklearn.metrics import precision_recall_fscore_support

    macro, weighted = (
        [float(value) for value in precision_recall_fscore_support(truth, predicted, average=mean, zero_division=0)[:3]]
        for mean in ("macro", "weighted")
    )
    return ClassificationScores(
        accuracy=float(np.mean(truth == predicted)),
        balanced_accuracy=balanced_accuracy(truth, predicted),
        precision_macro=macro[0],
        recall_macro=macro[1],
        f1_macro=macro[2],
        precision_weighted=weighted[0],
        recall_weighted=weighted[1],
        f1_weighted=weighted[2],
        auc=float("nan") if shares is None else _auc(truth, shares, classes),
    )


def _auc(truth: Labels, shares: npt.NDArray[Any], classes: Sequence[str]) -> float:
    if set(truth.tolist()) != set(classes) or len(classes) < 2:
        return float("nan")
    place = {name: column for column, name in enumerate(classes)}
    return auc(np.array([place[name] for name in truth]), shares)
