"""Predictions are pooled, features of two encoders never: with a twin that mixes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medcl.evaluation.constant_probe import fit_constant
from medcl.evaluation.covariates import Covariate, Covariates
from medcl.evaluation.fits import Fit, fits_by_encoder
from medcl.evaluation.held_out import predict_held_out
from medcl.evaluation.pooled import FeatureRows, Pooled, pooled_predictions
from medcl.evaluation.scores import SCORES_OF, r2
from medcl.study.errors import BadInput

COUNT = 45
"""Patients; three encoders, each with another third held out, all in one table."""
GENERATOR = np.random.default_rng(0)
PATIENTS = np.tile([f"P{number:02d}" for number in range(COUNT)], 3)
ENCODERS = np.repeat([1, 2, 3], COUNT)
SPLITS = np.where(np.tile(np.arange(COUNT) % 3, 3) == ENCODERS - 1, "test", "train")
HIDDEN = GENERATOR.normal(size=(COUNT, 4))
TARGET = np.tile(HIDDEN @ np.array([3.0, -2.0, 1.0, 0.5]) + 50, 3)
FITS = fits_by_encoder(ENCODERS, SPLITS)


def rows(features: np.ndarray | None = None, **changes: object) -> FeatureRows:
    shown = np.tile(HIDDEN, (3, 1)) if features is None else features
    return replace(FeatureRows("A", shown, PATIENTS, ENCODERS, PATIENTS), **changes)  # type: ignore[arg-type]


def linear(**changes: object) -> Pooled:
    return pooled_predictions(rows(**changes), TARGET, FITS, kind="numeric", inner_folds=2)  # type: ignore[arg-type]


def test_every_case_is_predicted_once_by_the_probe_that_does_not_know_it() -> None:
    found = linear()
    assert sorted(found.cases.tolist()) == sorted(set(PATIENTS))
    assert r2(found.truth, found.predicted) > 0.99
    assert [part.probe.patients for part in found.parts] == [30, 30, 30]
    for part in found.parts:
        assert not set(PATIENTS[part.training]) & set(PATIENTS[part.rows])
    alone = predict_held_out(HIDDEN, TARGET[:COUNT], PATIENTS[:COUNT], SPLITS[:COUNT], inner_folds=2)
    np.testing.assert_array_equal(found.predicted[np.isin(found.cases, alone.patients)], alone.predicted)


Predict = Callable[[np.ndarray], np.ndarray]


def assert_encoders_are_not_mixed(predict: Predict) -> None:
    """What an encoder's columns mean is its own affair: turned round, its probe says the same."""
    plain = np.tile(HIDDEN, (3, 1))
    turned = plain.copy()
    turned[ENCODERS == 2] = -plain[ENCODERS == 2][:, ::-1] * 7 + 3
    np.testing.assert_allclose(predict(turned), predict(plain), rtol=1e-6)


def test_features_of_two_encoders_are_in_no_fit() -> None:
    def mixed(features: np.ndarray) -> np.ndarray:
        """One probe for all training rows of all encoders, scored on each patient as left out of everything."""
        splits = np.where(np.tile(np.arange(COUNT) % 3, 3) == 0, "test", "train")
        return predict_held_out(features, TARGET, PATIENTS, splits, inner_folds=2).predicted

    assert_encoders_are_not_mixed(lambda features: linear(features=features).predicted)
    with pytest.raises(AssertionError):
        assert_encoders_are_not_mixed(mixed)
    everything = [np.flatnonzero(side == SPLITS) for side in ("train", "test")]
    with pytest.raises(BadInput, match=r"rows of 3 encoders \(1, 2, 3\) in one fit"):
        pooled_predictions(rows(), TARGET, [Fit("all", *everything)], kind="numeric")


def test_a_patient_on_both_sides_is_refused() -> None:
    with pytest.raises(BadInput, match="A, encoder 1: 1 patients stand in the training and in the held-out rows"):
        pooled_predictions(rows(), TARGET, [Fit("encoder 1", np.arange(30), np.arange(29, 45))], kind="numeric")


def test_classes_of_which_an_encoders_training_rows_lack_one() -> None:
    classes = np.tile(np.where(HIDDEN[:, 0] > 0, "high", "low").astype(object), 3)
    of_fold_one = np.flatnonzero(np.arange(COUNT) % 3 == 0)[:3]
    classes[of_fold_one] = classes[of_fold_one + COUNT] = classes[of_fold_one + 2 * COUNT] = "other"
    classes[[4, 4 + COUNT, 4 + 2 * COUNT]] = None
    found = pooled_predictions(rows(), classes, FITS, kind="categorical", inner_folds=2)
    assert found.classes == ("high", "low", "other")
    assert found.predicted.shape == (44, 3)
    np.testing.assert_allclose(found.predicted.sum(axis=1), 1)
    assert not found.predicted[np.isin(found.cases, PATIENTS[FITS[0].held_out]), 2].any()
    assert (found.without_target, found.without_covariates) == (1, 0)
    two = np.isin(found.cases, PATIENTS[FITS[0].held_out]) & (found.truth < 2)
    assert (found.predicted[two].argmax(axis=1) == found.truth[two]).mean() > 0.9


def test_time_to_an_event() -> None:
    times = np.random.default_rng(1).exponential(np.exp(-(TARGET[:COUNT] - 50)))
    target = np.tile(np.stack([times, np.arange(COUNT) % 4 > 0], axis=1), (3, 1))
    found = pooled_predictions(rows(), target, FITS, kind="survival", inner_folds=2)
    assert found.truth.shape == (COUNT, 2)
    assert SCORES_OF["survival"]["concordance"](found.truth, found.predicted) > 0.8


def test_a_case_of_several_probes_has_the_mean_of_what_they_say() -> None:
    splits = np.where(np.tile(np.arange(COUNT) < 30, 3), "train", "new")
    features = np.tile(HIDDEN, (3, 1)) + 0.5 * np.random.default_rng(2).normal(size=(3 * COUNT, 4))
    shown = rows(features)
    found = pooled_predictions(shown, TARGET, fits_by_encoder(ENCODERS, splits), kind="numeric", inner_folds=2)
    assert len(found.cases) == 15
    said = [part.probe.predict(part.features) for part in found.parts]
    np.testing.assert_allclose(found.predicted, np.mean(said, axis=0))
    assert "15 cases predicted by several probes (30 more predictions): means." in found.notes


def covariate(values: np.ndarray, kind: str = "numeric") -> Covariates:
    return Covariates.of([Covariate("age", kind, np.tile(values, 3))], 3 * COUNT)  # type: ignore[arg-type]


def test_covariates_join_the_features_and_stand_alone() -> None:
    nothing = np.empty((3 * COUNT, 0))
    alone = linear(features=nothing, covariates=covariate(HIDDEN[:, 0]))
    with_features = linear(features=np.tile(HIDDEN[:, 1:], (3, 1)), covariates=covariate(HIDDEN[:, 0]))
    without = linear(features=np.tile(HIDDEN[:, 1:], (3, 1)))
    scores = [r2(each.truth, each.predicted) for each in (alone, without, with_features)]
    assert scores[0] > 0.4
    assert scores[2] > 0.99
    assert scores[1] < 0.6


def test_missing_covariates_are_left_out_and_counted() -> None:
    values = HIDDEN[:, 0].copy()
    values[:2] = np.nan
    target = TARGET.copy()
    target[[1, 1 + COUNT, 1 + 2 * COUNT]] = np.nan
    found = pooled_predictions(rows(covariates=covariate(values)), target, FITS, kind="numeric", inner_folds=2)
    assert (found.without_target, found.without_covariates) == (1, 1)
    assert "P00" not in found.cases
    assert all("P00" not in PATIENTS[part.training] for part in found.parts)


def test_nearest_neighbours_and_the_constant_beside() -> None:
    near = pooled_predictions(rows(), TARGET, FITS, kind="numeric", method="knn", inner_folds=2)
    assert 0.3 < r2(near.truth, near.predicted) < 0.99
    assert all(part.probe.method == "knn" and part.probe.penalty in (1, 3, 5, 9, 15) for part in near.parts)
    flat = pooled_predictions(rows(), TARGET, FITS, kind="numeric", fit=fit_constant)
    for part in flat.parts:
        expected = TARGET[part.training].mean()
        np.testing.assert_allclose(part.probe.predict(part.features), expected)
    assert -0.3 < r2(flat.truth, flat.predicted) <= 0


def test_features_that_are_no_numbers_are_refused() -> None:
    broken = np.tile(HIDDEN, (3, 1))
    broken[3, 1] = np.inf
    with pytest.raises(BadInput, match="A: 1 of 45 rows have a feature that is no finite number"):
        linear(features=broken)
