from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medcl.evaluation.pixel_baselines import Baseline, pixel_baselines
from medcl.study.errors import BadInput

GENERATOR = np.random.default_rng(0)
LABELS = GENERATOR.choice(["a", "b"], size=150, p=[0.7, 0.3])
PIXELS = GENERATOR.normal(size=(150, 20)).astype(np.float32) + 1.5 * (LABELS == "b")[:, None]
TRAINING, BUDGET, ROWS = np.arange(100), np.arange(0, 100, 4), np.arange(100, 150)


def baselines(labels: np.ndarray, budget: np.ndarray = BUDGET, seed: int = 0) -> list[Baseline]:
    return pixel_baselines(PIXELS, labels, training=TRAINING, budget=budget, rows=ROWS, clusters=3, seed=seed)


def test_all_are_there_and_learn() -> None:
    found = {(each.method, each.features): each for each in baselines(LABELS)}
    assert list(found) == [
        ("majority class", "none"),
        ("5 nearest neighbours", "pixels"),
        ("logistic regression", "pixels"),
        ("logistic regression, balanced", "pixels"),
        ("KMeans", "PCA20 of pixels"),
    ]
    right = {name: (each.predictions.predicted == LABELS[ROWS]).mean() for name, each in found.items()}
    assert right["majority class", "none"] == (LABELS[ROWS] == "a").mean()
    assert all(value > 0.9 for (method, _), value in right.items() if method != "majority class")
    clusters = found["KMeans", "PCA20 of pixels"].clusters
    assert clusters is not None
    assert set(clusters.tolist()) <= {0, 1, 2}
    for each in found.values():
        np.testing.assert_allclose(each.predictions.shares.sum(axis=1), 1)


def test_balanced_weights_move_the_border() -> None:
    rare = LABELS.copy()
    rare[:90] = "a"
    _, _, plain, balanced, _ = baselines(rare, np.arange(100))
    assert balanced.predictions.shares[:, 1].mean() > plain.predictions.shares[:, 1].mean()


Run = Callable[[np.ndarray], list[Baseline]]


def assert_only_the_budgets_labels_are_read(run: Run) -> None:
    other = LABELS.copy()
    outside = np.setdiff1d(np.arange(150), BUDGET)
    other[outside] = np.where(LABELS[outside] == "a", "b", "a")
    for first, second in zip(run(LABELS), run(other), strict=True):
        np.testing.assert_array_equal(first.predictions.predicted, second.predictions.predicted)
        np.testing.assert_array_equal(first.predictions.shares, second.predictions.shares)


@pytest.mark.parametrize("place", range(5))
def test_labels_outside_the_budget_change_nothing(place: int) -> None:
    assert_only_the_budgets_labels_are_read(lambda labels: [baselines(labels)[place]])
    with pytest.raises(AssertionError):
        assert_only_the_budgets_labels_are_read(lambda labels: [baselines(labels, TRAINING)[place]])


def test_no_more_components_than_asked_for() -> None:
    pixels = GENERATOR.normal(size=(150, 100))
    found = pixel_baselines(pixels, LABELS, training=TRAINING, budget=BUDGET, rows=ROWS, clusters=2)
    assert found[-1].features == "PCA64 of pixels"


def test_without_pixels_there_is_the_majority() -> None:
    (found,) = pixel_baselines(None, LABELS, training=TRAINING, budget=BUDGET, rows=ROWS, clusters=3)
    assert found.method == "majority class"


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(BadInput, match=r"as many training rows as clusters \(3\), found 2"):
        pixel_baselines(PIXELS, LABELS, training=TRAINING[:2], budget=BUDGET, rows=ROWS, clusters=3)
    with pytest.raises(BadInput, match="all labels are 'a'"):
        baselines(np.full(150, "a"))
