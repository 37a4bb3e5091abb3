"""Probes with known answers; the penalty is chosen without held-out rows and with patients kept together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from medcl.evaluation.held_out import predict_held_out
from medcl.evaluation.probe import ALPHAS, NEIGHBOURS, Probe, fit_probe
from medcl.evaluation.scores import SCORES
from medcl.study.errors import BadInput

PATIENTS = np.repeat([f"P{number:02d}" for number in range(40)], 3)
SPLITS = np.where(np.arange(120) < 90, "train", "test")


def cohort(noise: float = 0.1, features: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Features of which a straight line gives the target."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(120, features))
    return rows, rows @ generator.normal(size=features) + 50 + noise * generator.normal(size=120)


def test_a_straight_line_is_found() -> None:
    features, target = cohort()
    found = predict_held_out(features, target, PATIENTS, SPLITS)
    assert SCORES["r2"](found.truth, found.predicted) > 0.995
    assert found.rows.tolist() == list(range(90, 120))
    assert (found.probe.rows, found.probe.patients) == (90, 30)
    assert found.probe.penalty <= 10


def test_noise_is_shrunk_away() -> None:
    features, _ = cohort()
    noise = np.random.default_rng(5).normal(size=120)
    found = predict_held_out(features, noise, PATIENTS, SPLITS)
    assert found.probe.penalty >= 100
    assert abs(SCORES["r2"](found.truth, found.predicted)) < 0.2


def test_features_of_any_scale_give_the_same_prediction() -> None:
    features, target = cohort()
    scaled = features * np.logspace(-3, 3, 12) + 7
    first = predict_held_out(features, target, PATIENTS, SPLITS).predicted
    np.testing.assert_allclose(predict_held_out(scaled, target, PATIENTS, SPLITS).predicted, first, rtol=1e-6)


def test_classes() -> None:
    features, target = cohort()
    classes = np.where(target > 50, "high", "low").astype(object)
    classes[:3] = ""
    found = predict_held_out(features, classes, PATIENTS, SPLITS, kind="categorical")
    assert SCORES["balanced_accuracy"](found.truth, found.predicted) > 0.8
    assert found.left_out == 3
    assert found.probe.rows == 87
    again = predict_held_out(features, classes, PATIENTS, SPLITS, kind="categorical")
    assert (again.predicted == found.predicted).all()


def test_missing_targets_are_left_out_and_counted() -> None:
    features, target = cohort()
    target[[0, 1, 95]] = np.nan
    found = predict_held_out(features, target, PATIENTS, SPLITS)
    assert found.left_out == 3
    assert 95 not in found.rows
    assert len(found.rows) == 29


def test_validation_patients_belong_to_neither_side_unless_told() -> None:
    features, target = cohort()
    splits = SPLITS.copy().astype("<U5")
    splits[60:90] = "val"
    assert predict_held_out(features, target, PATIENTS, splits).probe.rows == 60
    both = predict_held_out(features, target, PATIENTS, splits, training=("train", "val"))
    assert both.probe.rows == 90
    assert len(predict_held_out(features, target, PATIENTS, splits, held_out=("val", "test")).rows) == 60


Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


def assert_blind_to_held_out_targets(predict: Predict) -> None:
    """Whatever the held-out targets are, the predictions are the same."""
    features, target = cohort(noise=8.0, features=60)
    other = target.copy()
    other[90:] = np.random.default_rng(1).permutation(other[90:]) * 3 - 40
    np.testing.assert_array_equal(predict(features, target), predict(features, other))


def test_held_out_targets_do_not_reach_the_fit() -> None:
    def honest(features: np.ndarray, target: np.ndarray) -> np.ndarray:
        return predict_held_out(features, target, PATIENTS, SPLITS).predicted

    def broken(features: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Chooses alpha by the score on the test rows."""

        def peeking(rows: np.ndarray, values: np.ndarray, *_: object, **__: object) -> Probe:
            from sklearn.linear_model import Ridge

            models = {alpha: Ridge(alpha=alpha).fit(rows, values) for alpha in ALPHAS}
            best = max(ALPHAS, key=lambda alpha: models[alpha].score(features[90:], target[90:]))
            return Probe("numeric", best, False, len(rows), 30, models[best])

        return predict_held_out(features, target, PATIENTS, SPLITS, fit=peeking).predicted

    assert_blind_to_held_out_targets(honest)
    with pytest.raises(AssertionError):
        assert_blind_to_held_out_targets(broken)


def test_held_out_features_do_not_reach_the_scaler() -> None:
    features, target = cohort()
    shifted = features.copy()
    shifted[100:] += 1000
    first = predict_held_out(features, target, PATIENTS, SPLITS).predicted
    np.testing.assert_array_equal(predict_held_out(shifted, target, PATIENTS, SPLITS).predicted[:10], first[:10])


def assert_patients_are_kept_together(penalty_of: Callable[[np.ndarray, np.ndarray, np.ndarray], float]) -> None:
    """Features that only tell who the patient is teach nothing of other patients: the penalty must be strong."""
    people = np.repeat(np.arange(30), 4)
    generator = np.random.default_rng(0)
    features = np.eye(30)[people] * 3 + 0.01 * generator.normal(size=(120, 30))
    target = generator.normal(size=30)[people]
    assert penalty_of(features, target, people.astype(str)) >= 1000


def test_the_inner_parts_keep_patients_together() -> None:
    assert_patients_are_kept_together(lambda x, y, who: fit_probe(x, y, who).penalty)
    with pytest.raises(AssertionError):
        assert_patients_are_kept_together(lambda x, y, who: float(RidgeCV(ALPHAS).fit(x, y).alpha_))


def test_seed_and_folds_change_the_inner_parts_only() -> None:
    features, target = cohort(noise=20.0, features=60)
    chosen = {
        fit_probe(features, target, PATIENTS, seed=seed, inner_folds=folds).penalty
        for seed in range(4)
        for folds in (2, 10)
    }
    assert len(chosen) > 1


def test_penalty_at_the_edge_is_told() -> None:
    features, target = cohort(noise=0.0)
    assert fit_probe(features, target, PATIENTS).at_edge
    assert not fit_probe(features, cohort(noise=3.0)[1], PATIENTS).at_edge


def test_what_cannot_be_probed_is_refused() -> None:
    features, target = cohort()
    with pytest.raises(BadInput, match="at least 2 patients, found 1"):
        fit_probe(features[:3], target[:3], PATIENTS[:3])
    with pytest.raises(BadInput, match="target that varies"):
        fit_probe(features, np.ones(120), PATIENTS)
    with pytest.raises(BadInput, match="1 patients stand in the training and in the held-out rows"):
        predict_held_out(features, target, PATIENTS, np.where(np.arange(120) < 91, "train", "test"))
    with pytest.raises(BadInput, match="no row of the split test has a value"):
        predict_held_out(features, target, PATIENTS, np.full(120, "train"))
    rare = np.full(120, "a")
    rare[:3] = "b"
    with pytest.raises(BadInput, match="at least 2 training patients of every class"):
        fit_probe(features, rare, PATIENTS, kind="categorical")
    with pytest.raises(BadInput, match="there is no such probe; choose from linear, knn"):
        fit_probe(features, target, PATIENTS, method="tree")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_nearest_neighbours_follow_what_is_no_straight_line(kind: str) -> None:
    features = np.random.default_rng(0).uniform(-1, 1, size=(120, 1))
    curve = np.abs(features[:, 0])
    target = curve if kind == "numeric" else np.where(curve > 0.5, "far", "near")
    score = SCORES["r2" if kind == "numeric" else "balanced_accuracy"]
    near, straight = (
        predict_held_out(features, target, PATIENTS, SPLITS, kind=kind, method=method)  # type: ignore[arg-type]
        for method in ("knn", "linear")
    )
    assert score(near.truth, near.predicted) > 0.8 > score(straight.truth, straight.predicted)
    assert near.probe.penalty in NEIGHBOURS
    assert near.probe.method == "knn"


def test_the_number_of_neighbours_is_chosen_with_patients_kept_together() -> None:
    def neighbours(features: np.ndarray, target: np.ndarray, who: np.ndarray) -> float:
        return 1000 if fit_probe(features, target, who, method="knn").penalty > 3 else 0

    assert_patients_are_kept_together(neighbours)
    with pytest.raises(AssertionError):
        assert_patients_are_kept_together(lambda x, y, who: neighbours(x, y, np.arange(len(who))))


def test_no_more_neighbours_than_the_inner_parts_have_rows() -> None:
    features, target = cohort()
    assert fit_probe(features[:12], target[:12], PATIENTS[:12], method="knn").penalty <= 9


def test_again_keeps_the_penalty_and_takes_many_targets_at_once() -> None:
    features, target = cohort(noise=5)
    probe = fit_probe(features, target, PATIENTS)
    many = probe.again(features, np.stack([target, -target], axis=1))
    np.testing.assert_allclose(many.predict(features)[:, 0], probe.predict(features))
    np.testing.assert_allclose(many.predict(features)[:, 1], -probe.predict(features))
    assert many.penalty == probe.penalty
    assert probe.predict(features).ndim == 1


def test_classes_told_apart_easily_are_given_shares_that_say_so() -> None:
    """By accuracy alone the strongest penalty would do as well, with shares that differ by a hair."""
    who = np.arange(80).astype(str)
    features = np.random.default_rng(0).normal(size=(80, 3))
    features[:, 0] += np.where(np.arange(80) < 40, 5, -5)
    target = np.where(np.arange(80) < 40, "a", "b")
    probe = fit_probe(features, target, who, kind="categorical")
    shares = probe.shares(features, np.array(["a", "b", "c"]))
    assert shares[:40, 0].min() > 0.9 < shares[40:, 1].min()
    assert not shares[:, 2].any()
