"""The ridge-penalised Cox regression against its formula written out and against lifelines."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from medcl.evaluation.cox import fit_cox, log_partial_likelihood, row_space
from medcl.study.errors import BadInput


def cohort(rows: int = 60, features: int = 3, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, features))
    times = generator.exponential(np.exp(-x[:, 0]))
    ends = generator.exponential(2, size=rows)
    seen = np.minimum(times, ends)
    return x, np.ceil(seen * 4) if ties else seen, times <= ends


def efron_by_hand(hazard: np.ndarray, times: np.ndarray, events: np.ndarray) -> float:
    """Efron's log partial likelihood as the textbook writes it."""
    total = 0.0
    for time in np.unique(times[events]):
        dying = np.flatnonzero((times == time) & events)
        at_risk, tied = np.exp(hazard[times >= time]).sum(), np.exp(hazard[dying]).sum()
        total += hazard[dying].sum()
        total -= sum(np.log(at_risk - place / len(dying) * tied) for place in range(len(dying)))
    return total


@pytest.mark.parametrize("ties", [True, False])
def test_the_likelihood_is_the_formulas(ties: bool) -> None:
    x, times, events = cohort(ties=ties)
    hazard = x @ np.array([1.0, -0.5, 0.2])
    expected = efron_by_hand(hazard, times, events)
    assert log_partial_likelihood(hazard, times, events) == pytest.approx(expected)
    # at the same hazard every event is 1 of those at risk: ln n, ln (n - 1), ...
    assert log_partial_likelihood(np.zeros(3), np.array([1, 2, 3]), np.array([1, 1, 1])) == pytest.approx(-np.log(6))
    assert log_partial_likelihood(np.zeros(3), np.array([1, 2, 3]), np.zeros(3)) == 0


def test_hazards_that_differ_beyond_all_numbers_stay_finite() -> None:
    found = log_partial_likelihood(np.array([2000.0, 0.0, -2000.0]), np.array([1, 2, 3]), np.array([1, 1, 1]))
    assert found == pytest.approx(0)
    assert log_partial_likelihood(np.array([-2000.0, 0, 0]), np.array([1, 2, 3]), np.array([1, 0, 0])) == pytest.approx(
        -2000 - np.log(2)
    )


@pytest.mark.parametrize("penalty", [0.3, 20.0])
def test_weights_maximise_the_penalised_likelihood(penalty: float) -> None:
    x, times, events = cohort()

    def loss(weights: np.ndarray) -> float:
        return -efron_by_hand(x @ weights, times, events) + penalty / 2 * weights @ weights

    expected = minimize(loss, np.zeros(3), tol=1e-10).x
    np.testing.assert_allclose(fit_cox(x, times, events, penalty).weights, expected, atol=1e-4)


def test_same_as_lifelines() -> None:
    """lifelines 0.30.0, CoxPHFitter(penalizer=20 / 60), on these rows standardised; its penalty is a mean over rows."""
    lifelines = pytest.importorskip("lifelines")
    pandas = pytest.importorskip("pandas")
    x, times, events = cohort()
    x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    frame = pandas.DataFrame(x).assign(time=times, event=events)
    expected = lifelines.CoxPHFitter(penalizer=20 / 60).fit(frame, "time", "event").params_.to_numpy()
    np.testing.assert_allclose(fit_cox(x, times, events, 20).weights, expected, atol=1e-5)


def test_more_features_than_rows_give_the_same_in_the_rows_own_space() -> None:
    x, times, events = cohort(rows=20, features=50)
    space, directions = row_space(x - x.mean(axis=0))
    assert space.shape == (20, 20)
    np.testing.assert_allclose(space @ directions.T, x - x.mean(axis=0), atol=1e-10)
    wide = fit_cox(x, times, events, 2.0)
    narrow = fit_cox(space, times, events, 2.0)
    np.testing.assert_allclose(wide.log_hazard(x), narrow.log_hazard(space), atol=1e-6)
    assert wide.weights.shape == (50,)


def test_a_stronger_penalty_shrinks_and_the_sign_is_right() -> None:
    x, times, events = cohort(rows=200)
    weak, strong = (fit_cox(x, times, events, penalty).weights[0] for penalty in (0.1, 500))
    assert 0 < strong < weak / 2
    assert weak == pytest.approx(1, abs=0.35)


def test_what_cannot_be_fitted_is_refused() -> None:
    x, times, events = cohort()
    with pytest.raises(BadInput, match="none of 60 has one"):
        fit_cox(x, times, np.zeros(60), 1)
    with pytest.raises(BadInput, match="must be above 0, got 0"):
        fit_cox(x, times, events, 0)
