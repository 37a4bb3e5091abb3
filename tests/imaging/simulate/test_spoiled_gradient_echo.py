"""Known answers of the spoiled gradient echo."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medcl.imaging.simulate.spoiled_gradient_echo import (
    R1_GADOTERATE,
    R2_GADOTERATE,
    Protocol,
    ernst_angle,
    gradient_echo_signal,
)

PROTOCOL = Protocol(1.5, 5.0, 2.0, 20.0)
TISSUE = {"density": 0.8, "t1": 1000.0, "t2star": 50.0}


def test_the_signal_is_that_of_the_equation() -> None:
    recovery = math.exp(-5.0 / 1000.0)
    angle = math.radians(20.0)
    expected = 0.8 * math.sin(angle) * (1 - recovery) / (1 - math.cos(angle) * recovery) * math.exp(-2.0 / 50.0)
    assert gradient_echo_signal(PROTOCOL, **TISSUE) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("repetition", "t1"), [(4.0, 800.0), (10.0, 300.0), (100.0, 900.0)])
def test_the_greatest_signal_is_at_the_ernst_angle(repetition: float, t1: float) -> None:
    angles = np.arange(0.5, 90.0, 0.01)
    signals = [
        gradient_echo_signal(Protocol(3.0, repetition, 0.0, angle), density=1.0, t1=t1, t2star=50.0) for angle in angles
    ]
    assert angles[np.argmax(signals)] == pytest.approx(ernst_angle(repetition, t1), abs=0.011)


def test_the_ernst_angle_of_a_known_case() -> None:
    # TR = T1 ln 2 gives E1 = 1/2 and so 60 degrees.
    assert ernst_angle(1000.0 * math.log(2.0), 1000.0) == pytest.approx(60.0)


def test_no_agent_leaves_the_native_signal() -> None:
    assert gradient_echo_signal(PROTOCOL, **TISSUE, concentration=0.0) == gradient_echo_signal(PROTOCOL, **TISSUE)


@pytest.mark.parametrize("field", [1.5, 3.0])
def test_agent_shortens_both_times_in_proportion(field: float) -> None:
    protocol = Protocol(field, 4.0, 1.5, 20.0)
    for concentration in (1.0, 2.0):
        t1 = 1 / (1 / 1000.0 + R1_GADOTERATE[field] * concentration / 1000)
        t2star = 1 / (1 / 50.0 + R2_GADOTERATE[field] * concentration / 1000)
        native = gradient_echo_signal(protocol, density=1.0, t1=t1, t2star=t2star)
        enhanced = gradient_echo_signal(protocol, density=1.0, t1=1000.0, t2star=50.0, concentration=concentration)
        assert enhanced == pytest.approx(float(native), rel=1e-12)


def test_doubling_the_agent_less_than_doubles_the_gain() -> None:
    none, once, twice = gradient_echo_signal(PROTOCOL, **TISSUE, concentration=np.array([0.0, 1.0, 2.0]))
    assert none < once < twice
    assert twice - none < 2 * (once - none)


def test_very_much_agent_darkens_by_t2star() -> None:
    protocol = Protocol(1.5, 5.0, 5.0, 20.0)
    signal = gradient_echo_signal(protocol, density=1.0, t1=1000.0, t2star=50.0, concentration=np.array([20.0, 200.0]))
    assert signal[1] < signal[0]


def test_blood_that_flows_in_goes_from_full_magnetisation_to_the_steady_state() -> None:
    first, later, settled = (gradient_echo_signal(PROTOCOL, **TISSUE, pulses=count) for count in (0, 10, 10_000))
    assert first == pytest.approx(0.8 * math.sin(math.radians(20)) * math.exp(-2.0 / 50.0))
    assert first > later > settled
    assert settled == pytest.approx(float(gradient_echo_signal(PROTOCOL, **TISSUE)))


def test_the_approach_to_the_steady_state_is_that_of_the_bloch_equation() -> None:
    recovery, angle = math.exp(-5.0 / 1000.0), math.radians(20.0)
    along = 1.0
    for _ in range(7):
        along = 1 + (along * math.cos(angle) - 1) * recovery
    expected = along * math.sin(angle) * math.exp(-2.0 / 50.0) * 0.8
    assert gradient_echo_signal(PROTOCOL, **TISSUE, pulses=7) == pytest.approx(expected, rel=1e-12)
