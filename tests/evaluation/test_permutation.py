"""Permuted labels: the level is kept, which permuting against fixed predictions (a twin) does not; options count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from medcl.evaluation.fits import fits_by_encoder
from medcl.evaluation.permutation import Permuted, _Exchange, permutation_test
from medcl.evaluation.pooled import FeatureRows, Pooled, pooled_predictions
from medcl.evaluation.probe import Probe
from medcl.evaluation.scores import r2
from medcl.study.errors import BadInput


def weak_ridge(features: np.ndarray, target: np.ndarray, patients: np.ndarray, **_: object) -> Probe:
    model = Ridge(1.0).fit(features, target)
    return Probe("numeric", 1.0, False, len(target), len(np.unique(patients)), model)


def two_folds(people: int, features: int, seed: int, signal: float = 0.0) -> tuple[FeatureRows, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    who = np.tile(np.arange(people).astype(str), 2)
    encoders = np.repeat([1, 2], people)
    splits = np.where(np.tile(np.arange(people) % 2, 2) == encoders - 1, "test", "train")
    x = generator.normal(size=(people, features))
    y = generator.normal(size=people) + signal * x[:, 0]
    return FeatureRows("A", np.tile(x, (2, 1)), who, encoders, who), np.tile(y, 2), splits


def pooled_of(
    rows: FeatureRows, target: np.ndarray, splits: np.ndarray, kind: str = "numeric", **how: object
) -> Pooled:
    fits = fits_by_encoder(rows.encoders, splits)
    return pooled_predictions(rows, target, fits, kind=kind, **how)  # type: ignore[arg-type]


Test = Callable[[Pooled, FeatureRows, np.ndarray, int], float]


def assert_the_level_is_kept(p_of: Test, cohorts: int = 150) -> None:
    """Of cohorts whose features tell nothing, about 10% have p <= 0.1."""
    small = 0
    for seed in range(cohorts):
        rows, target, splits = two_folds(30, 12, seed)
        small += p_of(pooled_of(rows, target, splits, fit=weak_ridge), rows, target, seed) <= 0.1
    assert 0.05 < small / cohorts < 0.14


def refitted(pooled: Pooled, rows: FeatureRows, target: np.ndarray, seed: int) -> float:
    return permutation_test(pooled, rows, target, permutations=49, hits=0, seed=seed).p


def against_fixed_predictions(pooled: Pooled, rows: FeatureRows, target: np.ndarray, seed: int) -> float:
    """Permutes the truth within each fold's held-out rows and leaves the predictions as they are."""
    generator = np.random.default_rng(seed)
    value, better = r2(pooled.truth, pooled.predicted), 0
    folds = [np.flatnonzero(pooled.cases.astype(int) % 2 == fold) for fold in (0, 1)]
    for _ in range(49):
        truth = pooled.truth.copy()
        for fold in folds:
            truth[fold] = truth[generator.permutation(fold)]
        better += r2(truth, pooled.predicted) >= value
    return (better + 1) / 50


def test_features_that_tell_nothing_have_small_p_no_more_often_than_they_should() -> None:
    assert_the_level_is_kept(refitted)
    with pytest.raises(AssertionError):
        assert_the_level_is_kept(against_fixed_predictions)


def test_features_that_tell_have_the_smallest_p() -> None:
    rows, target, splits = two_folds(60, 5, 0, signal=2.0)
    found = permutation_test(pooled_of(rows, target, splits), rows, target, permutations=99)
    assert (found.score, found.p, found.permutations, found.fixed) == ("r2", 0.01, 99, 0)
    assert found.chance < 0.1 < found.value


def test_drawing_ends_when_it_is_clear() -> None:
    rows, target, splits = two_folds(40, 5, 3)
    pooled = pooled_of(rows, target, splits)
    early = permutation_test(pooled, rows, target, permutations=400, hits=10)
    assert early.permutations < 400
    assert early.p == 10 / early.permutations
    whole = permutation_test(pooled, rows, target, permutations=400, hits=0)
    assert whole.permutations == 400
    assert early.p == pytest.approx(whole.p, abs=0.25)
    other = permutation_test(pooled, rows, target, permutations=400, hits=0, seed=1)
    assert other.chance != whole.chance


@pytest.mark.parametrize("method", ["linear", "knn"])
def test_classes(method: str) -> None:
    rows, target, splits = two_folds(40, 3, 0, signal=3.0)
    classes = np.where(target > 0, "yes", "no").astype(object)
    classes[[0, 40]] = None
    pooled = pooled_of(rows, classes, splits, "categorical", method=method)
    found = permutation_test(pooled, rows, classes, permutations=19)
    assert (found.score, found.p) == ("auc", 1 / 20)


def test_time_to_an_event() -> None:
    rows, target, splits = two_folds(40, 3, 0, signal=3.0)
    times = np.stack([np.exp(-target), np.tile(np.arange(40) % 3 > 0, 2)], axis=1)
    pooled = pooled_of(rows, times, splits, "survival")
    found = permutation_test(pooled, rows, times, permutations=19)
    assert (found.score, found.p) == ("concordance", 1 / 20)


def test_a_permutation_may_leave_a_fold_one_class() -> None:
    rows, _, splits = two_folds(12, 2, 0)
    classes = np.tile(np.where(np.arange(12) < 4, "a", "b"), 2)
    pooled = pooled_of(rows, classes, splits, "categorical")
    found = permutation_test(pooled, rows, classes, permutations=60, hits=0)
    assert isinstance(found, Permuted)
    assert 0 < found.p <= 1


def exchange(values: np.ndarray, who: list[str], strata: list[str] | None = None) -> _Exchange:
    rows = FeatureRows(
        "A",
        np.random.default_rng(0).normal(size=(len(who), 2)),
        np.array(who),
        np.ones(len(who)),
        np.arange(len(who)).astype(str),
    )
    rows = replace(rows, cases=np.array([f"{place:02d}" for place in range(len(who))]))
    splits = np.where(np.isin(who, sorted(set(who))[::2]), "test", "train")
    pooled = pooled_of(rows, values, splits, fit=weak_ridge)
    return _Exchange.of(pooled, rows, values, None if strata is None else np.array(strata))


def test_whole_patients_change_places_with_those_of_as_many_rows() -> None:
    who = ["A", "A", "B", "B", "C", "C", "C", "D", "E"]
    values = np.arange(9.0)
    found = exchange(values, who)
    assert (found.patients, found.fixed) == (5, 1)
    blocks = set()
    for seed in range(20):
        drawn = found.draw(np.random.default_rng(seed))
        assert sorted(drawn) == values.tolist()
        assert drawn[4:7].tolist() == [4, 5, 6]
        blocks |= {tuple(drawn[:2]), tuple(drawn[2:4])}
    assert blocks == {(0, 1), (2, 3)}


def test_patients_of_one_value_change_places_with_anyone() -> None:
    values = np.array([1.0, 1, 2, 2, 3, 3, 3, 4, 5])
    who = ["A", "A", "B", "B", "C", "C", "C", "D", "E"]
    found = exchange(values, who)
    assert found.fixed == 0
    seen = {tuple(found.draw(np.random.default_rng(seed))[[0, 1, 4, 6]]) for seed in range(60)}
    assert all(a == b and c == d for a, b, c, d in seen)
    assert {a for a, *_ in seen} == {1, 2, 3, 4, 5}


def test_strata_keep_their_values() -> None:
    found = exchange(np.arange(6.0), list("ABCDEF"), list("xxxyyy"))
    for seed in range(10):
        assert sorted(found.draw(np.random.default_rng(seed))[:3]) == [0, 1, 2]


def test_nobody_to_change_with_is_refused() -> None:
    who = np.array(["A", "B", "B", "C", "C", "C"])
    rows = FeatureRows("A", np.random.default_rng(0).normal(size=(6, 2)), who, np.ones(6), np.arange(6).astype(str))
    target = np.arange(6.0)
    pooled = pooled_of(rows, target, np.array(["test", "train", "train", "train", "train", "train"]), fit=weak_ridge)
    with pytest.raises(BadInput, match="no two of 3 patients have equally many rows"):
        permutation_test(pooled, rows, target)
