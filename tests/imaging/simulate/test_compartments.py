"""First-order compartments against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.compartments import delayed, exchanged, washed

STEP = 0.5
TIMES = np.arange(0.0, 120.0, STEP)


def test_constant_inflow_fills_exponentially() -> None:
    np.testing.assert_allclose(washed(np.full(TIMES.size, 2.0), 30.0, STEP), 60.0 * (1 - np.exp(-TIMES / 30.0)))


def test_a_ramp_is_exact_too() -> None:
    expected = 30.0 * (TIMES - 30.0 * (1 - np.exp(-TIMES / 30.0)))
    np.testing.assert_allclose(washed(TIMES, 30.0, STEP), expected, atol=1e-9)


def test_what_enters_stays_or_has_left() -> None:
    inflow = np.exp(-(((TIMES - 30.0) / 8.0) ** 2))
    amount = washed(inflow, 20.0, STEP)
    entered, left = np.trapezoid(inflow, dx=STEP), np.trapezoid(amount / 20.0, dx=STEP)
    assert amount[-1] + left == pytest.approx(entered, rel=1e-3)


def test_a_delay_shifts() -> None:
    curve = np.sin(TIMES / 10.0)
    np.testing.assert_allclose(delayed(curve, 5.0, STEP)[10:], curve[:-10])
    assert not delayed(curve + 1.0, 5.0, STEP)[:10].any()


def test_tofts_ends_at_equilibrium() -> None:
    tissue = exchanged(np.ones(4000), STEP, plasma_volume=0.02, transfer=0.2, extracellular=0.15)
    assert tissue[0] == pytest.approx(0.02)
    assert tissue[-1] == pytest.approx(0.17)
