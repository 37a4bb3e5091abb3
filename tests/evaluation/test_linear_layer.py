from __future__ import annotations

import numpy as np
import pytest
import torch

from medcl.evaluation.linear_layer import fit_linear_layer
from medcl.study.errors import BadInput

GENERATOR = np.random.default_rng(0)
ROWS = np.concatenate([GENERATOR.normal(-2, 1, (60, 4)), GENERATOR.normal(2, 1, (60, 4))])
LABELS = np.repeat(["no", "yes"], 60)


def test_separable_classes_are_found() -> None:
    layer = fit_linear_layer(ROWS, LABELS)
    said = layer.predict(ROWS)
    assert (said.predicted == LABELS).mean() > 0.97
    assert said.classes == ("no", "yes")
    np.testing.assert_allclose(said.shares.sum(axis=1), 1)
    assert (said.predicted == np.where(said.shares[:, 1] > 0.5, "yes", "no")).all()


def test_one_step_is_that_of_adam_on_the_mean_cross_entropy() -> None:
    """One step of Adam moves every weight by the learning rate, against the gradient's sign."""
    start = fit_linear_layer(ROWS, LABELS, epochs=0, seed=3)
    after = fit_linear_layer(ROWS, LABELS, epochs=1, batch_size=120, seed=3)
    probability = start.predict(ROWS).shares
    gradient = (probability - (LABELS[:, None] == np.array(["no", "yes"]))).T @ ROWS / 120
    np.testing.assert_allclose((after.weight - start.weight).numpy(), -3e-4 * np.sign(gradient), rtol=1e-3)


def test_it_starts_as_a_torch_layer_does() -> None:
    layer = fit_linear_layer(np.ones((4, 100)), np.array(list("abab")), epochs=0)
    assert layer.weight.abs().max() <= 0.1
    assert layer.weight.abs().max() > 0.09
    assert layer.bias.abs().max() <= 0.1


def test_the_same_seed_gives_the_same_layer_whatever_was_drawn_before() -> None:
    first = fit_linear_layer(ROWS, LABELS, epochs=3, seed=1)
    state = torch.random.get_rng_state()
    torch.rand(7)
    again = fit_linear_layer(ROWS, LABELS, epochs=3, seed=1)
    torch.random.set_rng_state(state)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, fit_linear_layer(ROWS, LABELS, epochs=3, seed=2).weight)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("told", [{"epochs": 4}, {"learning_rate": 1e-2}, {"batch_size": 7}, {"standardised": True}])
def test_every_setting_changes_the_layer(told: dict[str, float]) -> None:
    plain = fit_linear_layer(ROWS, LABELS, epochs=3)
    assert not torch.equal(plain.weight, fit_linear_layer(ROWS, LABELS, **{"epochs": 3, **told}).weight)


def test_standardised_features_may_have_any_scale() -> None:
    scaled = ROWS * np.array([1e-3, 1, 1e3, 10]) + 5
    plain = fit_linear_layer(ROWS, LABELS, standardised=True).predict(ROWS).shares
    np.testing.assert_allclose(
        fit_linear_layer(scaled, LABELS, standardised=True).predict(scaled).shares, plain, atol=1e-3
    )
    assert np.abs(fit_linear_layer(scaled, LABELS).predict(scaled).shares - plain).max() > 0.01


def test_a_constant_feature_is_no_division_by_zero() -> None:
    rows = np.concatenate([ROWS, np.ones((120, 1))], axis=1)
    assert np.isfinite(fit_linear_layer(rows, LABELS, standardised=True, epochs=2).predict(rows).shares).all()


def test_one_class_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 classes, found 1"):
        fit_linear_layer(ROWS[:60], LABELS[:60])
