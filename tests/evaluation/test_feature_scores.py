"""The two fits side by side; an encoder that knows its training patients by heart is why there are two."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.constant_probe import fit_constant
from medcl.evaluation.covariates import Covariate, Covariates
from medcl.evaluation.feature_scores import Drawn, score_features
from medcl.evaluation.fits import fits_by_encoder, fits_of_seen
from medcl.evaluation.pooled import FeatureRows
from medcl.study.errors import BadInput

PATIENTS = np.array([f"P{number:02d}" for number in range(60)])
SPLITS = np.where(np.arange(60) < 30, "train", "test")
TARGET = np.random.default_rng(0).normal(size=60)
DRAWN = Drawn(draws=100, permutations=19, nested_folds=3)
FEW = {"inner_folds": 2}
"""So that tests are quick."""


def rows(features: np.ndarray, covariates: Covariates | None = None) -> FeatureRows:
    return FeatureRows("A", features, PATIENTS, np.ones(60), PATIENTS, covariates)


def scored(features: np.ndarray, **how: object) -> list:
    fits = fits_by_encoder(np.ones(60), SPLITS)
    return score_features(rows(features), TARGET, fits, kind="numeric", drawn=DRAWN, **FEW, **how)  # type: ignore[arg-type]


def test_features_learnt_by_heart_are_seen_through_by_the_nested_fit() -> None:
    """The first column repeats the target, but of training patients only; the second tells it a little of everybody."""
    generator = np.random.default_rng(1)
    known = np.where(SPLITS == "train", TARGET, generator.normal(size=60))
    honest = TARGET + 0.5 * generator.normal(size=60)
    first, nested = scored(np.stack([known, honest], axis=1))
    assert (first.fitted_on, nested.fitted_on) == ("training patients", "held-out patients")
    assert first.scores["r2"].value < 0 < 0.4 < nested.scores["r2"].value
    assert nested.permuted.p == 0.05
    assert set(first.scores) == {"r2", "mae"}
    assert first.scores["r2"].low < first.scores["r2"].value < first.scores["r2"].high
    assert set(PATIENTS[np.concatenate([part.training for part in nested.pooled.parts])]) <= set(PATIENTS[30:])
    assert sorted(nested.pooled.cases) == sorted(first.pooled.cases) == PATIENTS[30:].tolist()


def test_without_training_rows_the_nested_fit_is_alone_and_says_why() -> None:
    features = TARGET[:, None] + 0.1
    external = np.full(60, "new")
    first, nested = score_features(
        rows(features), TARGET, fits_by_encoder(np.ones(60), external), kind="numeric", drawn=DRAWN, **FEW
    )
    assert (first.scores, first.reason) == ({}, "there are no training patients of this encoder among the rows.")
    assert (nested.reason, nested.seen) == ("", False)
    assert nested.scores["r2"].value > 0.9
    seen = score_features(rows(features), TARGET, fits_of_seen(np.ones(60), SPLITS), kind="numeric", drawn=DRAWN, **FEW)
    assert seen[1].seen
    assert len(seen[1].pooled.cases) == 60


def test_neither_is_refused() -> None:
    few = np.full(60, np.nan)
    few[:3] = [1, 2, 3]
    with pytest.raises(BadInput, match=r"A cannot be scored.*And encoder 1.0: a fit inside the held-out patients"):
        score_features(
            rows(TARGET[:, None]), few, fits_by_encoder(np.ones(60), SPLITS), kind="numeric", drawn=DRAWN, **FEW
        )


def test_options_of_the_draws_and_the_probe_count() -> None:
    features = np.random.default_rng(2).normal(size=(60, 3)) + TARGET[:, None]
    plain, _ = scored(features)
    knn, _ = scored(features, method="knn")
    flat, _ = scored(features, fit=fit_constant)
    values = [each.scores["r2"].value for each in (plain, knn, flat)]
    assert len(set(values)) == 3
    assert values[2] <= 0
    fits = fits_by_encoder(np.ones(60), SPLITS)
    other = score_features(
        rows(features), TARGET, fits, kind="numeric", drawn=Drawn(draws=100, permutations=0, nested_folds=2, level=0.5)
    )
    assert other[0].permuted is None
    assert len(other[1].pooled.parts) == 2
    assert other[0].scores["r2"].high < plain.scores["r2"].high


def test_classes_events_and_missing_covariates() -> None:
    features = np.random.default_rng(2).normal(size=(60, 2)) + 2 * TARGET[:, None]
    age = np.arange(60.0)
    age[[0, 40]] = np.nan
    table = rows(features, Covariates.of([Covariate("age", "numeric", age)], 60))
    fits = fits_by_encoder(np.ones(60), SPLITS)
    classes = np.where(TARGET > 0, "yes", "no").astype(object)
    first, nested = score_features(table, classes, fits, kind="categorical", drawn=DRAWN, **FEW)
    assert set(first.scores) == {"auc", "balanced_accuracy"}
    assert first.scores["auc"].value > 0.8 < nested.scores["auc"].value
    assert len(nested.pooled.cases) == 29
    times = np.stack([np.exp(-2 * TARGET), np.arange(60) % 3 > 0], axis=1)
    first, nested = score_features(table, times, fits, kind="survival", drawn=DRAWN, **FEW)
    assert first.scores["concordance"].value > 0.75
    assert nested.scores["concordance"].value > 0.7
