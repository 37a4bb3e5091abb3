"""Linear probes: how much of a clinical value a straight line can read from frozen features.

Ridge regression for numbers, L2-regularised logistic regression for classes, on standardised features. The
strength of the penalty is chosen by inner cross-validation over the training rows alone, with patients kept
together: with rows split freely, a patient's other images would tell the answer and the penalty would come
out too weak. Nothing of a held-out row reaches the fit: the scaler, too, knows the training rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.study.errors import BadInput

ALPHAS = tuple(float(10.0**power) for power in np.arange(-2, 6.5, 0.5))
"""Ridge penalties that are tried (on standardised features, squared error summed over rows)."""
STRENGTHS = tuple(float(10.0**power) for power in np.arange(-5, 2.5, 0.5))
"""Inverse penalties C of the logistic regression that are tried."""
INNER_FOLDS = 5

Features = npt.NDArray[np.floating[Any]]
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        kind: numeric (ridge) or categorical (logistic).
        penalty: the chosen alpha (numeric) or C (categorical).
        at_edge: whether that is the smallest or largest tried, so that a better one may lie outside.
        rows, patients: what it was fitted on.
    """

    kind: Literal["numeric", "categorical"]
    penalty: float
    at_edge: bool
    rows: int
    patients: int
    model: Any

    def predict(self, features: Features) -> Values:
        """Predictions (N,) for features (N, F)."""
        return np.asarray(self.model.predict(np.asarray(features, dtype=np.float64)))


def fit_probe(
    features: Features,
    target: Values,
    patients: Sequence[str] | Values,
    *,
    kind: Literal["numeric", "categorical"] = "numeric",
    inner_folds: int = INNER_FOLDS,
    seed: int = 0,
) -> Probe:
    """Fit a probe on training rows.

    Args:
        features: (N, F), finite.
        target: (N,) numbers, or classes as text; without missing values.
        patients: (N,) whose rows they are.
        kind: ridge for "numeric", logistic for "categorical".
        inner_folds: parts of the inner cross-validation; fewer where there are fewer patients.
        seed: of the inner parts.

    Raises:
        BadInput: fewer than two patients, or a target that is the same in every row.
    """
    groups = np.asarray(patients)
    people = len(np.unique(groups))
    if people < 2:
        raise BadInput(f"a probe needs training rows of at least 2 patients, found {people}.")
    if len(np.unique(target)) < 2:
        raise BadInput(f"a probe needs a target that varies; it is {target[0]!r} in all {len(target)} training rows.")
    search, grid, name = _search(kind, target, groups, min(inner_folds, people), seed)
    search.fit(np.asarray(features, dtype=np.float64), target, groups=groups)
    penalty = float(search.best_params_[name])
    return Probe(kind, penalty, penalty in (min(grid), max(grid)), len(groups), people, search.best_estimator_)


def _search(kind: str, target: Values, groups: Values, folds: int, seed: int) -> tuple[Any, tuple[float, ...], str]:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "numeric":
        grid, name = ALPHAS, "ridge__alpha"
        model = make_pipeline(StandardScaler(), Ridge())
        parts, scoring = GroupKFold(folds, shuffle=True, random_state=seed), "neg_mean_squared_error"
        return GridSearchCV(model, {name: grid}, cv=parts, scoring=scoring), grid, name
    grid, name = STRENGTHS, "logisticregression__C"
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced"))
    parts = _class_parts(target, groups, folds, seed)
    return GridSearchCV(model, {name: grid}, cv=parts, scoring="balanced_accuracy"), grid, name


def _class_parts(target: Values, groups: Values, folds: int, seed: int) -> Any:
    """Inner parts that keep patients together and spread the classes; every part must leave two classes
    to learn."""
    from sklearn.model_selection import StratifiedGroupKFold

    rarest = min(len(np.unique(groups[target == name])) for name in np.unique(target))
    if rarest < 2:
        raise BadInput(
            "a probe needs at least 2 training patients of every class; the rarest class has "
            f"{rarest}: leave the class out or join it with another."
        )
    return StratifiedGroupKFold(max(2, min(folds, rarest)), shuffle=True, random_state=seed)
