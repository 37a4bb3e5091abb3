from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, r2_score

from medcl.evaluation.scores import SCORES

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
