"""The signal of a T2-weighted spin echo: hand-computed values, limits, and the contrast that abdomens have."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.abdomen_tissues import BELLY_TISSUES, draw_belly_signals
from medcl.imaging.simulate.turbo_spin_echo import SpinEchoProtocol, spin_echo_signal


def test_a_hand_case() -> None:
    protocol = SpinEchoProtocol(1.5, 1000.0, 100.0)
    found = spin_echo_signal(protocol, density=2.0, t1=1000.0, t2=50.0)
    assert float(found) == pytest.approx(2 * (1 - np.exp(-1)) * np.exp(-2))


def test_a_long_repetition_and_no_echo_time_leave_the_density() -> None:
    protocol = SpinEchoProtocol(3.0, 1e6, 0.0)
    np.testing.assert_allclose(spin_echo_signal(protocol, density=[0.3, 0.9], t1=1000.0, t2=50.0), [0.3, 0.9])


@pytest.mark.parametrize("field", [1.5, 3.0])
def test_kidneys_and_spleen_are_bright_liver_and_fat_are_dark(field: float) -> None:
    protocol = SpinEchoProtocol(field, 2600.0, 80.0)
    drawn = [draw_belly_signals(protocol, 0.03, np.random.default_rng(seed)) for seed in range(40)]
    mean = {name: float(np.mean([signals[name] for signals in drawn])) for name in BELLY_TISSUES}
    assert mean["cortex"] > mean["spleen"] > 1.5 * mean["liver"] > 1.5 * mean["muscle"]
    assert mean["fat"] < 0.6 * mean["liver"]
    assert mean["csf"] > mean["cortex"]
    assert mean["artery"] < mean["liver"]


def test_patients_differ_and_fat_in_the_liver_changes_its_signal() -> None:
    protocol = SpinEchoProtocol(1.5, 2600.0, 85.0)
    lean, fatty = (draw_belly_signals(protocol, fat, np.random.default_rng(0)) for fat in (0.0, 0.25))
    assert fatty["liver"] == pytest.approx(0.75 * lean["liver"] + 0.25 * lean["fat"])
    assert {name: value for name, value in fatty.items() if name != "liver"} == {
        name: value for name, value in lean.items() if name != "liver"
    }
    other = draw_belly_signals(protocol, 0.0, np.random.default_rng(1))
    assert other["spleen"] != lean["spleen"]
