"""Scores by hand. Truth 4 sick, 2 well; one of the sick and no well one is missed:

          predicted sick  predicted well
sick            3               1             recall 3/4
well            0               2             recall 1
precision       1              2/3
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medcl.evaluation.classification_scores import ClassificationScores, classification_scores

TRUTH = np.array(["sick"] * 4 + ["well"] * 2)
PREDICTED = np.array(["sick", "sick", "sick", "well", "well", "well"])

Scorer = Callable[[np.ndarray, np.ndarray], ClassificationScores]


def assert_the_hands_numbers(score: Scorer) -> None:
    found = score(TRUTH, PREDICTED)
    assert found.accuracy == pytest.approx(5 / 6)
    assert found.balanced_accuracy == pytest.approx(7 / 8)
    assert found.precision_macro == pytest.approx((1 + 2 / 3) / 2)
    assert found.recall_macro == pytest.approx((3 / 4 + 1) / 2)
    assert found.precision_weighted == pytest.approx(4 / 6 * 1 + 2 / 6 * 2 / 3)
    assert found.recall_weighted == pytest.approx(5 / 6)
    sick, well = 2 * 3 / (3 + 4), 2 * 2 / (3 + 2)
    assert found.f1_macro == pytest.approx((sick + well) / 2)
    assert found.f1_weighted == pytest.approx((4 * sick + 2 * well) / 6)


def test_known_answers_with_precision_and_recall_not_swapped() -> None:
    assert_the_hands_numbers(classification_scores)
    with pytest.raises(AssertionError):
        assert_the_hands_numbers(lambda truth, predicted: classification_scores(predicted, truth))


def test_a_constant_guess() -> None:
    found = classification_scores(TRUTH, np.full(6, "sick"), np.full((6, 2), 0.5), ("sick", "well"))
    assert found.balanced_accuracy == 0.5
    assert found.precision_macro == pytest.approx((4 / 6 + 0) / 2)
    assert found.auc == 0.5


def test_auc_of_two_classes() -> None:
    """Of 8 pairs of a sick and a well one, the well one has the greater share in 5, and one pair is tied."""
    shares = np.array([0.1, 0.2, 0.4, 0.6, 0.5, 0.4])
    found = classification_scores(TRUTH, PREDICTED, np.stack([1 - shares, shares], axis=1), ("sick", "well"))
    assert found.auc == pytest.approx((3 + 2 + 0.5) / 8)
    assert np.isnan(classification_scores(TRUTH, PREDICTED).auc)


def test_auc_of_three_classes_is_the_macro_mean_of_each_against_the_rest() -> None:
    generator = np.random.default_rng(0)
    truth = generator.choice(["a", "b", "c"], size=60, p=[0.6, 0.3, 0.1])
    shares = generator.dirichlet(np.ones(3), size=60)
    expected = roc_auc_score(truth, shares, multi_class="ovr", average="macro")
    assert classification_scores(truth, truth, shares, ("a", "b", "c")).auc == pytest.approx(expected)


def test_auc_is_nan_where_it_is_not_defined() -> None:
    half = np.full((4, 2), 0.5)
    assert np.isnan(classification_scores(TRUTH[:4], TRUTH[:4], half, ("sick", "well")).auc)
    assert np.isnan(classification_scores(TRUTH, TRUTH, np.full((6, 2), 0.5), ("sick", "other")).auc)
