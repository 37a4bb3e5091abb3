"""Intervals: known widths, wider by patient than by row, paired differences, and what cannot be had."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.bootstrap import Interval, bootstrap, bootstrap_difference
from medcl.evaluation.scores import SCORES
from medcl.study.errors import BadInput

MAE = SCORES["mae"]


def test_interval_of_a_mean_is_the_textbook_one() -> None:
    """The MAE to 0 is the mean of |x|: its interval is mean +- 1.96 standard errors."""
    values = np.abs(np.random.default_rng(0).normal(10, 2, size=400))
    found = bootstrap(MAE, values, np.zeros(400), np.arange(400).astype(str), draws=4000)
    error = values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)
    assert (found.level, found.draws, found.undefined, found.patients) == (0.95, 4000, 0, 400)


def assert_repeats_do_not_narrow(interval_of: object) -> None:
    """Ten identical images a patient hold no more than one: the interval must stay as wide."""
    values = np.random.default_rng(0).normal(10, 2, size=40)
    once = interval_of(values, np.arange(40))  # type: ignore[operator]
    repeated = interval_of(np.repeat(values, 10), np.repeat(np.arange(40), 10))  # type: ignore[operator]
    assert repeated.high - repeated.low > 0.8 * (once.high - once.low)


def test_images_of_a_patient_count_once() -> None:
    def by_patient(values: np.ndarray, patients: np.ndarray) -> Interval:
        return bootstrap(MAE, values, np.zeros(len(values)), patients.astype(str), draws=1000)

    def by_row(values: np.ndarray, patients: np.ndarray) -> Interval:
        return bootstrap(MAE, values, np.zeros(len(values)), np.arange(len(values)).astype(str), draws=1000)

    assert_repeats_do_not_narrow(by_patient)
    with pytest.raises(AssertionError):
        assert_repeats_do_not_narrow(by_row)


def test_difference_is_paired() -> None:
    """A constant gain of 0.5 under large common noise is certain when paired."""
    truth = np.zeros(60)
    noise = np.abs(np.random.default_rng(0).normal(10, 5, size=60))
    patients = np.repeat(np.arange(20), 3).astype(str)
    found = bootstrap_difference(MAE, truth, noise, noise + 0.5, patients, draws=500)
    assert (found.value, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))


def test_p_of_a_difference_is_about_the_t_tests() -> None:
    generator = np.random.default_rng(2)
    truth, patients = np.zeros(80), np.arange(80).astype(str)
    first = np.abs(generator.normal(10, 1, size=80))
    for gain, low, high in ((0.0, 0.2, 1.0), (0.25, 0.0005, 0.06), (2.0, 0.0, 2 / 2001)):
        noise = generator.normal(size=80)
        second = first + gain + (noise - noise.mean())
        found = bootstrap_difference(MAE, truth, first, second, patients)
        assert low <= found.p <= high
        assert bootstrap_difference(MAE, truth, second, first, patients).p == found.p
    assert bootstrap_difference(MAE, truth, first, first, patients, draws=50).p == 1
    assert np.isnan(bootstrap(MAE, truth, first, patients, draws=50).p)


def test_options_change_the_interval_and_the_seed_repeats_it() -> None:
    truth, predicted = np.random.default_rng(0).normal(size=(2, 30))
    patients = np.arange(30).astype(str)

    def ends(**settings: object) -> tuple[float, float]:
        found = bootstrap(MAE, truth, predicted, patients, **({"draws": 300} | settings))  # type: ignore[arg-type]
        return found.low, found.high

    assert ends() == ends()
    assert ends(seed=1) != ends()
    assert ends(draws=301) != ends()
    assert ends(level=0.5)[0] > ends()[0]
    assert ends(level=0.5)[1] < ends()[1]


def test_draws_without_a_score_are_counted() -> None:
    truth, patients = np.array([1.0, 1.0, 1.0, 2.0]), np.array(list("abcd"))
    found = bootstrap(SCORES["r2"], truth, truth, patients, draws=1000)
    assert found.undefined == pytest.approx(1000 * ((3 / 4) ** 4 + (1 / 4) ** 4), abs=60)
    assert found.draws + found.undefined == 1000


def test_what_has_no_interval_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 patients, found 1"):
        bootstrap(MAE, np.ones(3), np.ones(3), ["a", "a", "a"])
    with pytest.raises(BadInput, match="undefined in 50 of 50"):
        bootstrap(SCORES["r2"], np.ones(3), np.ones(3), ["a", "b", "c"], draws=50)
