"""The population curve of Parker 2006 and how a person departs from it."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.arterial_input import ArterialInput

TIMES = np.arange(0.0, 600.0, 0.01)


def test_values_of_the_published_curve() -> None:
    # Written out from the table of the paper at its two centres, in minutes .17046 and .365.
    curve = ArterialInput()
    assert curve.blood(0.17046 * 60) == pytest.approx(0.809 / (0.0563 * np.sqrt(2 * np.pi)) + 0.3375, abs=2e-3)
    assert curve.blood(300.0) == pytest.approx(1.050 * np.exp(-0.1685 * 5), rel=1e-9)


def test_the_first_pass_peaks_after_ten_seconds_at_six_millimolar() -> None:
    blood = ArterialInput().blood(TIMES)
    assert TIMES[np.argmax(blood)] == pytest.approx(10.2, abs=0.2)
    assert blood.max() == pytest.approx(6.07, abs=0.03)


def test_the_integral_is_that_of_its_parts() -> None:
    # Two Gaussians of .809 and .330 mmol min/L; the washout from the sigmoid's .483 min on.
    area = np.trapezoid(ArterialInput().blood(TIMES), TIMES) / 60
    washout = 1.050 / 0.1685 * (np.exp(-0.1685 * 0.483) - np.exp(-0.1685 * 10))
    assert area == pytest.approx(0.809 + 0.330 + washout, rel=2e-3)


def test_nothing_before_the_arrival_and_the_same_curve_after_it() -> None:
    late = ArterialInput(arrival=12.0)
    assert not late.blood(np.arange(0.0, 12.0)).any()
    np.testing.assert_allclose(late.blood(TIMES + 12.0), ArterialInput().blood(TIMES), atol=1e-9)


def test_plasma_holds_all_the_agent() -> None:
    person = ArterialInput(hematocrit=0.3)
    np.testing.assert_allclose(person.plasma(TIMES) * 0.7, person.blood(TIMES))


def test_dose_scales_the_curve() -> None:
    np.testing.assert_allclose(ArterialInput(dose=0.5).blood(TIMES), 0.5 * ArterialInput().blood(TIMES))


def test_the_first_pass_carries_dose_over_cardiac_output() -> None:
    def first_pass(output: float) -> float:
        blood = ArterialInput(cardiac_output=output).blood(TIMES)
        pace = TIMES / 60 * output
        washout = 1.050 * np.exp(-0.1685 * TIMES / 60) / (1 + np.exp(-38.078 * (pace - 0.483)))
        return float(np.trapezoid(blood - washout, TIMES))

    assert first_pass(0.5) == pytest.approx(2 * first_pass(1.0), rel=0.01)
