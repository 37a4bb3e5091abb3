"""Probes: how much of a clinical value can be read from frozen features, by a straight line or by the nearest rows.

`linear` is ridge regression for numbers, L2-regularised logistic regression for classes and ridge-penalised Cox
regression for the time to an event; `knn` the mean, or the vote, of the k nearest rows; all on standardised features.
The strength of the penalty (or k) is chosen by inner cross-validation over the training rows alone, with patients kept
together: with rows split freely, a patient's other images would tell the answer and the penalty would come out too
weak. Nothing of a held-out row reaches the fit: the scaler, too, knows the training rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.evaluation.cox_probe import PENALTIES, chosen_penalty, fit_standardised_cox, require_events
from medcl.evaluation.scores import Kind
from medcl.study.errors import BadInput

ALPHAS = tuple(float(10.0**power) for power in np.arange(-2, 6.5, 0.5))
"""Ridge penalties that are tried (on standardised features, squared error summed over rows)."""
STRENGTHS = tuple(float(10.0**power) for power in np.arange(-5, 2.5, 0.5))
"""Inverse penalties C of the logistic regression that are tried."""
NEIGHBOURS = (1, 3, 5, 9, 15, 25, 41, 65)
"""Numbers of neighbours that are tried, as far as the inner training parts have as many rows."""
INNER_FOLDS = 5
LEAST_SHARE = 1e-3
"""That a class is taken to have when the penalty is chosen: nearest neighbours give shares of 0."""

Method = Literal["linear", "knn"]
METHODS: tuple[Method, ...] = ("linear", "knn")
Features = npt.NDArray[np.floating[Any]]
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        kind: numeric, categorical or survival.
        penalty: the chosen alpha (numeric), C (categorical), Cox penalty (survival) or k (knn).
        at_edge: whether that is the smallest or largest tried, so that a better one may lie outside.
        rows, patients: what it was fitted on.
        method: linear, knn, or constant (see `constant_probe`).
    """

    kind: Kind
    penalty: float
    at_edge: bool
    rows: int
    patients: int
    model: Any
    method: str = "linear"

    def predict(self, features: Features) -> Values:
        """Predictions (N,) for features (N, F): numbers, names of classes, or log hazards (greater is sooner)."""
        return np.asarray(self.model.predict(np.asarray(features, dtype=np.float64)))

    def shares(self, features: Features, classes: Values) -> npt.NDArray[np.float64]:
        """(N, C) how likely each of `classes` is; 0 of a class that no training row had."""
        found = np.zeros((len(features), len(classes)))
        places = np.searchsorted(classes, self.model.classes_)
        found[:, places] = self.model.predict_proba(np.asarray(features, dtype=np.float64))
        return found

    def again(self, features: Features, target: Values) -> Probe:
        """The same probe with its penalty, fitted on other rows or values; (N, P) numbers are P targets at once."""
        from sklearn.base import clone

        if self.kind == "survival" and self.method != "constant":
            return replace(self, model=fit_standardised_cox(features, target, self.penalty))
        return replace(self, model=clone(self.model).fit(np.asarray(features, dtype=np.float64), target))


def fit_probe(
    features: Features,
    target: Values,
    patients: Sequence[str] | Values,
    *,
    kind: Kind = "numeric",
    method: Method = "linear",
    inner_folds: int = INNER_FOLDS,
    seed: int = 0,
) -> Probe:
    """Fit a probe on training rows.

    Args:
        features: (N, F), finite.
        target: (N,) numbers, or classes as text; (N, 2) time and event (1, or 0 where follow-up ended) for survival;
            without missing values.
        patients: (N,) whose rows they are.
        kind: what the target is.
        method: "linear" (ridge, logistic, Cox) or "knn", which there is not for survival.
        inner_folds: parts of the inner cross-validation; fewer where there are fewer patients.
        seed: of the inner parts.

    Raises:
        BadInput: fewer than two patients, a target that is the same in every row, fewer than two patients of a class or
            with an event, or no such probe.
    """
    groups = np.asarray(patients)
    people = len(np.unique(groups))
    if people < 2:
        raise BadInput(f"a probe needs training rows of at least 2 patients, found {people}.")
    if kind == "survival":
        return _fit_survival(features, target, groups, method, min(inner_folds, people), seed)
    if len(np.unique(target)) < 2:
        raise BadInput(f"a probe needs a target that varies; it is {target[0]!r} in all {len(target)} training rows.")
    search, grid, name = _search(kind, method, target, groups, min(inner_folds, people), seed)
    search.fit(np.asarray(features, dtype=np.float64), target, groups=groups)
    penalty = float(search.best_params_[name])
    at_edge = penalty in (min(grid), max(grid))
    return Probe(kind, penalty, at_edge, len(groups), people, search.best_estimator_, method)


def _fit_survival(features: Features, target: Values, groups: Values, method: str, folds: int, seed: int) -> Probe:
    if method != "linear":
        raise BadInput(
            f"--probe {method}: for the time to an event there is the linear probe only (Cox regression); leave "
            f"{method} out, or give --horizon to make two classes of it."
        )
    require_events(target, groups)
    penalty = chosen_penalty(np.asarray(features, dtype=np.float64), target, groups, folds, seed)
    model = fit_standardised_cox(features, target, penalty)
    at_edge = penalty in (min(PENALTIES), max(PENALTIES))
    return Probe("survival", penalty, at_edge, len(groups), len(np.unique(groups)), model)


def _search(
    kind: str, method: str, target: Values, groups: Values, folds: int, seed: int
) -> tuple[Any, tuple[float, ...], str]:
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if kind == "numeric":
        parts: Any = GroupKFold(folds, shuffle=True, random_state=seed)
    else:
        parts = _class_parts(target, groups, folds, seed)
    scoring = "neg_mean_squared_error" if kind == "numeric" else _balanced_log_share
    least = min(len(training) for training, _ in parts.split(target, target, groups))
    estimator, grid, name = _estimator(kind, method, least)
    model = make_pipeline(StandardScaler(), estimator)
    return GridSearchCV(model, {name: grid}, cv=parts, scoring=scoring), grid, name


def _balanced_log_share(model: Any, features: Values, target: Values) -> float:
    """Mean over the classes of the log of the share that the right class is given.

    Not the accuracy: it is the same for shares of 0.51 and 0.99, would leave the penalty to chance where classes are
    easily told apart, and shares of several probes could not be pooled.
    """
    shares = np.pad(model.predict_proba(features), ((0, 0), (0, 1)))  # a last column for a class that no row taught
    column = {name: place for place, name in enumerate(model.classes_)}
    own = shares[np.arange(len(target)), [column.get(name, -1) for name in target]]
    logs = np.log(np.maximum(own, LEAST_SHARE))
    return float(np.mean([logs[target == name].mean() for name in np.unique(target)]))


def _estimator(kind: str, method: str, least: int) -> tuple[Any, tuple[Any, ...], str]:
    """The model, what is tried, and its name in the pipeline; `least` rows are in the smallest training part."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    if method == "knn":
        tried = tuple(k for k in NEIGHBOURS if k <= least)
        if kind == "numeric":
            return KNeighborsRegressor(), tried, "kneighborsregressor__n_neighbors"
        return KNeighborsClassifier(), tried, "kneighborsclassifier__n_neighbors"
    if method != "linear":
        raise BadInput(f"--probe {method}: there is no such probe; choose from {', '.join(METHODS)}.")
    if kind == "numeric":
        return Ridge(), ALPHAS, "ridge__alpha"
    model = LogisticRegression(max_iter=2000, class_weight="balanced")
    return model, STRENGTHS, "logisticregression__C"


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
