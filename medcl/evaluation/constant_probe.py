"""The probe that reads nothing: the mean of the training rows, their most frequent class, the same risk for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.probe import Features, Probe, Values
from medcl.evaluation.scores import Kind


class _SameRisk:
    """The log hazard ratio 0 for every row; with the fit and parameters that copying a probe asks for."""

    def fit(self, features: Values, target: Values) -> _SameRisk:
        return self

    def predict(self, features: Values) -> npt.NDArray[np.float64]:
        return np.zeros(len(features))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


def fit_constant(
    features: Features, target: Values, patients: Sequence[str] | Values, *, kind: Kind = "numeric", **_: Any
) -> Probe:
    """A `fit` for `predict_held_out` and `pooled_predictions`; the features are not looked at.

    Its predictions differ between folds, whose training rows do, and a little against the held-out rows: a mean is
    pooled to an R2 below 0, and where two classes are about as frequent the area under the curve may be below 0.5.

    Args:
        features: (N, F), F may be 0.
        target: as for `fit_probe`.
        patients: (N,).
        kind: what the target is.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor

    models = {"numeric": DummyRegressor, "categorical": lambda: DummyClassifier(strategy="most_frequent")}
    model: Any = _SameRisk() if kind == "survival" else models[kind]().fit(np.zeros((len(target), 1)), target)
    return Probe(kind, float("nan"), False, len(target), len(np.unique(patients)), model, "constant")
