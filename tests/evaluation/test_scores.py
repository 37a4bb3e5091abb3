from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, r2_score, roc_auc_score

from medcl.evaluation.scores import MAIN_SCORE, SCORES, SCORES_OF, auc, concordance

GENERATOR = np.random.default_rng(0)


def test_known_answers() -> None:
    truth = np.array([1.0, 2.0, 3.0])
    assert SCORES["r2"](truth, truth) == 1
    assert SCORES["r2"](truth, np.full(3, 2.0)) == 0
    assert SCORES["r2"](truth, np.array([3.0, 2.0, 1.0])) == -3
    assert SCORES["mae"](truth, np.array([2.0, 2.0, 2.0])) == pytest.approx(2 / 3)
    names = np.array(["a", "a", "a", "b"])
    assert SCORES["balanced_accuracy"](names, np.array(["a", "a", "a", "a"])) == 0.5
    assert SCORES["balanced_accuracy"](names, np.array(["a", "b", "b", "b"])) == pytest.approx((1 / 3 + 1) / 2)


def test_same_as_scikit_learn() -> None:
    truth, predicted = GENERATOR.normal(size=(2, 50))
    assert SCORES["r2"](truth, predicted) == pytest.approx(r2_score(truth, predicted))
    assert SCORES["mae"](truth, predicted) == pytest.approx(mean_absolute_error(truth, predicted))
    classes, guessed = GENERATOR.integers(0, 3, size=(2, 50)).astype(str)
    expected = balanced_accuracy_score(classes, guessed)
    assert SCORES["balanced_accuracy"](classes, guessed) == pytest.approx(expected)


def test_undefined_is_nan_not_a_number_made_up() -> None:
    assert np.isnan(SCORES["r2"](np.ones(3), np.zeros(3)))
    for score in SCORES.values():
        assert np.isnan(score(np.array([]), np.array([])))


def test_auc_is_scikit_learns() -> None:
    truth = GENERATOR.integers(0, 3, size=60)
    shares = np.round(GENERATOR.dirichlet(np.ones(3), size=60), 1) + 0.01
    shares /= shares.sum(axis=1, keepdims=True)
    expected = np.mean([roc_auc_score(truth == place, shares[:, place]) for place in range(3)])
    assert auc(truth, shares) == pytest.approx(expected)
    two = truth[truth < 2]
    assert auc(two, shares[truth < 2][:, :2]) == pytest.approx(roc_auc_score(two, shares[truth < 2][:, 1]))


def test_auc_without_rows_of_a_class_is_nan() -> None:
    assert np.isnan(auc(np.array([0, 0]), np.full((2, 2), 0.5)))
    assert np.isnan(auc(np.array([0, 1]), np.full((2, 3), 1 / 3)))
    assert np.isnan(auc(np.array([0, 0]), np.ones((2, 1))))


def test_concordance_by_hand() -> None:
    """Events at 1, 3 and 4; follow-up of the second ends at 2.

    Pairs: 1 before all three others, 3 before 4; of the one who left at 2 nothing more is known."""
    truth = np.array([[1.0, 1], [2, 0], [3, 1], [4, 1]])
    assert concordance(truth, np.array([4.0, 3, 2, 1])) == 1
    assert concordance(truth, np.array([1.0, 2, 3, 4])) == 0
    assert concordance(truth, np.zeros(4)) == 0.5
    assert concordance(truth, np.array([4.0, 3, 1, 2])) == 3 / 4
    assert concordance(truth, np.array([3.0, 3, 2, 2])) == pytest.approx((0.5 + 1 + 1 + 0.5) / 4)


def test_concordance_of_equal_times() -> None:
    """Two events at once are no pair; who is followed beyond an event at the same time has outlived it."""
    assert np.isnan(concordance(np.array([[1.0, 1], [1, 1]]), np.array([2.0, 1])))
    assert concordance(np.array([[1.0, 1], [1, 0]]), np.array([2.0, 1])) == 1
    assert np.isnan(concordance(np.array([[1.0, 0], [2, 0]]), np.array([2.0, 1])))
    assert np.isnan(concordance(np.empty((0, 2)), np.empty(0)))


def test_every_kind_has_its_main_score() -> None:
    for kind, name in MAIN_SCORE.items():
        assert name in SCORES_OF[kind]
