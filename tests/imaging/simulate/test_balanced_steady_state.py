"""The signal of balanced steady-state sequences: against its published limit and against the pulses one by one."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.balanced_steady_state import CineProtocol, balanced_signal
from medcl.imaging.simulate.cardiac_tissues import CINE_TISSUES

PROTOCOL = CineProtocol(1.5, 3.0, 60.0)


def after_many_pulses(protocol: CineProtocol, t1: float, t2: float, off_resonance: float) -> float:
    """Magnetisation at the echo, by turning and relaxing a spin through thousands of alternating pulses."""
    repetition, angle = protocol.repetition_time, np.deg2rad(protocol.flip_angle)
    spin = np.array([0.0, 0.0, 1.0])
    turn = 2 * np.pi * off_resonance * repetition / 1000
    free = np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    for pulse in range(4000):
        a = angle if pulse % 2 else -angle
        spin = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]]) @ spin
        after = spin
        decay = np.exp(-repetition / np.array([t2, t2, t1]))
        spin = (free @ spin) * decay + np.array([0, 0, 1 - decay[2]])
    return float(np.hypot(after[0], after[1]) * np.exp(-0.5 * repetition / t2))


@pytest.mark.parametrize("off_resonance", [0.0, 40.0, -90.0, 150.0, 220.0])
@pytest.mark.parametrize(("t1", "t2"), [(1441.0, 290.0), (950.0, 52.0)])
def test_the_formula_is_what_many_pulses_come_to(t1: float, t2: float, off_resonance: float) -> None:
    found = balanced_signal(PROTOCOL, density=1.0, t1=t1, t2=t2, off_resonance=off_resonance)
    assert found == pytest.approx(after_many_pulses(PROTOCOL, t1, t2, off_resonance), rel=1e-4)


def test_the_known_limit_for_short_tr() -> None:
    angle = np.deg2rad(60)
    for t1, t2 in ((1441.0, 290.0), (950.0, 52.0), (343.0, 58.0)):
        limit = np.sin(angle) / (1 + np.cos(angle) + (1 - np.cos(angle)) * t1 / t2)
        found = balanced_signal(CineProtocol(1.5, 0.01, 60.0), density=1.0, t1=t1, t2=t2)
        assert found == pytest.approx(limit, rel=1e-3)


def test_the_band_is_where_a_spin_turns_once_in_two_tr() -> None:
    across = np.linspace(0, 1000 / 3.0, 301)
    curve = balanced_signal(PROTOCOL, density=1.0, t1=1008.0, t2=44.0, off_resonance=across)
    assert across[curve.argmin()] == pytest.approx(500 / 3.0, abs=2)
    assert curve.min() < 0.1 * curve[0]
    assert curve[-1] == pytest.approx(curve[0])


def test_blood_and_fat_are_bright_alike_and_muscle_is_dark() -> None:
    for protocol in (PROTOCOL, CineProtocol(3.0, 2.9, 45.0)):
        signal = {name: tissue.signal(protocol) for name, tissue in CINE_TISSUES.items()}
        assert signal["left_blood"] > 2 * signal["myocardium"] > 10 * signal["air"]
        assert 0.5 < signal["fat"] / signal["left_blood"] < 2.0
        assert signal["right_blood"] == pytest.approx(signal["left_blood"], rel=0.15)
        assert signal["liver"] > signal["myocardium"] > 0.8 * signal["muscle"]
