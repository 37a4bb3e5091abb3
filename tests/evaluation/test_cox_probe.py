from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medcl.evaluation.cox_probe import PENALTIES, _parts, chosen_penalty, fit_standardised_cox
from medcl.evaluation.held_out import predict_held_out
from medcl.evaluation.probe import fit_probe
from medcl.evaluation.scores import concordance
from medcl.study.errors import BadInput

PATIENTS = np.repeat([f"P{number:02d}" for number in range(60)], 2)


def cohort(strength: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = np.repeat(generator.normal(size=(60, 5)), 2, axis=0) + 0.05 * generator.normal(size=(120, 5))
    times = np.repeat(generator.exponential(np.exp(-strength * x[::2, 0])), 2)
    ends = np.repeat(generator.exponential(3, size=60), 2)
    return x, np.stack([np.minimum(times, ends), times <= ends], axis=1)


def test_hazards_are_found_in_held_out_patients() -> None:
    x, target = cohort()
    target[:3, 0] = np.nan
    splits = np.where(np.arange(120) < 80, "train", "test")
    found = predict_held_out(x, target, PATIENTS, splits, kind="survival")
    assert concordance(found.truth, found.predicted) > 0.75
    assert (found.left_out, found.probe.rows, found.probe.patients) == (3, 77, 39)
    assert found.probe.penalty in PENALTIES


def test_noise_is_shrunk_and_signal_less() -> None:
    x, target = cohort()
    noise = np.random.default_rng(3).normal(size=(120, 40))
    assert fit_probe(noise, target, PATIENTS, kind="survival").penalty >= 30
    assert fit_probe(x, target, PATIENTS, kind="survival").penalty < 30


def test_scale_of_features_does_not_matter() -> None:
    x, target = cohort()
    first = fit_standardised_cox(x, target, 3.0).predict(x)
    scaled = x * np.logspace(-3, 3, 5) + 4
    np.testing.assert_allclose(fit_standardised_cox(scaled, target, 3.0).predict(scaled), first, atol=1e-6)


Penalty = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def assert_patients_are_kept_together(penalty_of: Penalty) -> None:
    """Features that only tell who the patient is say nothing of others."""
    people = np.repeat(np.arange(30), 4)
    generator = np.random.default_rng(0)
    x = np.eye(30)[people] * 3 + 0.01 * generator.normal(size=(120, 30))
    target = np.stack([generator.exponential(size=30)[people], np.ones(120)], axis=1)
    assert penalty_of(x, target, people) >= 100


def test_the_inner_parts_keep_patients_together() -> None:
    assert_patients_are_kept_together(lambda x, y, who: chosen_penalty(x, y, who, 5, 0))
    with pytest.raises(AssertionError):
        assert_patients_are_kept_together(lambda x, y, who: chosen_penalty(x, y, np.arange(len(who)), 5, 0))


def test_parts_spread_the_events_over_patients() -> None:
    events = np.isin(PATIENTS, ["P00", "P01", "P02"])
    for training, left_out in _parts(events, PATIENTS, 3, 0):
        assert len(np.unique(PATIENTS[left_out][events[left_out]])) == 1
        assert not set(PATIENTS[training]) & set(PATIENTS[left_out])


def test_what_cannot_be_fitted_is_refused() -> None:
    x, target = cohort()
    alone = target.copy()
    alone[:, 1] = PATIENTS == "P05"
    with pytest.raises(BadInput, match="at least 2 training patients with the event, found 1 of 60"):
        fit_probe(x, alone, PATIENTS, kind="survival")
    target[7, 0] = -3
    with pytest.raises(BadInput, match="1 times to the event are below 0"):
        fit_probe(x, target, PATIENTS, kind="survival")
    with pytest.raises(BadInput, match="linear probe only"):
        fit_probe(x, cohort()[1], PATIENTS, kind="survival", method="knn")
