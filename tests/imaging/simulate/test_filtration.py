"""The filtration model against an ODE solver, its mass balance, and what GFR does to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from medcl.imaging.simulate.arterial_input import ArterialInput
from medcl.imaging.simulate.compartments import delayed
from medcl.imaging.simulate.enhancement import STEP, tissue_concentrations
from medcl.imaging.simulate.filtration import Graft, Uptake, filtered_uptake

GRAFT = Graft(
    filtration=55.0,
    plasma_flow=2.2,
    plasma_volume=0.25,
    vasa_recta=0.08,
    vasa_recta_transit=16.0,
    proximal_transit=50.0,
    medullary_transit=45.0,
    pelvic_transit=200.0,
    loop_delay=0.0,
    cortex_ml=105.0,
    medulla_ml=40.0,
    urine_ml=9.0,
)
TIMES = np.arange(0.0, 240.0, STEP)
ARTERY = ArterialInput(dose=0.5, arrival=10.0).plasma(TIMES)


def assert_nothing_is_lost(uptake: Uptake) -> None:
    """What was filtered is in the tubules, in the pelvis or gone to the bladder."""
    held = uptake.proximal + uptake.medullary + uptake.pelvic + uptake.drained
    np.testing.assert_allclose(held, uptake.filtered, atol=2e-3 * uptake.filtered.max())


def test_the_model_agrees_with_an_ode_solver() -> None:
    transit = 60.0 * GRAFT.plasma_volume / GRAFT.plasma_flow

    def slopes(time: float, state: np.ndarray) -> list[float]:
        plasma, proximal, medullary, pelvic, recta = state
        artery = np.interp(time, TIMES, ARTERY)
        return [
            (artery - plasma) / transit,
            GRAFT.filtration / 60 * plasma - proximal / GRAFT.proximal_transit,
            proximal / GRAFT.proximal_transit - medullary / GRAFT.medullary_transit,
            medullary / GRAFT.medullary_transit - pelvic / GRAFT.pelvic_transit,
            (plasma - recta) / GRAFT.vasa_recta_transit,
        ]

    solved = solve_ivp(slopes, (0, TIMES[-1]), np.zeros(5), t_eval=TIMES, max_step=0.25, rtol=1e-8, atol=1e-10)
    plasma, proximal, medullary, pelvic, recta = solved.y
    uptake = filtered_uptake(GRAFT, ARTERY, STEP)
    for ours, reference in (
        (uptake.plasma, plasma),
        (uptake.proximal, proximal),
        (uptake.medullary, medullary),
        (uptake.pelvic, pelvic),
        (uptake.cortex, GRAFT.plasma_volume * plasma + proximal / GRAFT.cortex_ml),
        (uptake.medulla, GRAFT.vasa_recta * recta + medullary / GRAFT.medulla_ml),
        (uptake.urine, pelvic / GRAFT.urine_ml),
    ):
        np.testing.assert_allclose(ours, reference, atol=3e-3 * reference.max())


@pytest.mark.parametrize("delay", [0.0, 17.0, 30.25])
def test_the_filtered_amount_is_found_again(delay: float) -> None:
    assert_nothing_is_lost(filtered_uptake(replace(GRAFT, loop_delay=delay), ARTERY, STEP))


def test_a_leak_would_be_seen() -> None:
    uptake = filtered_uptake(GRAFT, ARTERY, STEP)
    with pytest.raises(AssertionError):
        assert_nothing_is_lost(replace(uptake, medullary=0.98 * uptake.medullary))


def test_filtered_is_gfr_times_the_plasma_integral() -> None:
    uptake = filtered_uptake(GRAFT, ARTERY, STEP)
    assert uptake.filtered[-1] == pytest.approx(55.0 / 60 * np.trapezoid(uptake.plasma, dx=STEP))


def test_more_filtration_means_more_in_medulla_and_urine() -> None:
    late = [filtered_uptake(replace(GRAFT, filtration=gfr), ARTERY, STEP) for gfr in (15.0, 40.0, 70.0, 100.0)]
    for part in ("cortex", "medulla", "urine"):
        assert np.all(np.diff([getattr(uptake, part)[280] for uptake in late]) > 0), part
    plasma = {float(uptake.plasma[280]) for uptake in late}
    assert len(plasma) == 1


def test_the_tubular_amounts_are_proportional_to_gfr() -> None:
    once, twice = (filtered_uptake(replace(GRAFT, filtration=gfr), ARTERY, STEP) for gfr in (30.0, 60.0))
    np.testing.assert_allclose(twice.urine, 2 * once.urine)


def test_cortex_enhances_before_medulla_before_urine() -> None:
    uptake = filtered_uptake(GRAFT, ARTERY, STEP)
    half = [np.argmax(curve > 0.5 * curve.max()) for curve in (uptake.plasma, uptake.medulla, uptake.urine)]
    assert half[0] < half[1] < half[2]


def test_the_loop_delay_puts_off_the_urine_only() -> None:
    early, late = (filtered_uptake(replace(GRAFT, loop_delay=delay), ARTERY, STEP) for delay in (0.0, 20.0))
    np.testing.assert_allclose(late.urine, delayed(early.urine, 20.0, STEP), atol=1e-9)
    np.testing.assert_array_equal(late.cortex, early.cortex)


def test_before_the_injection_nothing_is_anywhere() -> None:
    assert set(tissue_concentrations(GRAFT, ArterialInput(), None).values()) == {0.0}


def test_phases_look_as_a_radiologist_expects() -> None:
    artery = ArterialInput(dose=0.5, arrival=10.0, hematocrit=0.35)
    arterial = tissue_concentrations(GRAFT, artery, 32.0)
    tubular = tissue_concentrations(GRAFT, artery, 140.0)
    assert arterial["cortex"] > 2 * arterial["medulla"] > 0
    assert arterial["urine"] < 0.05
    assert tubular["urine"] > tubular["medulla"] > tubular["cortex"]
    assert arterial["artery"] > arterial["vein"]
    assert tubular["bladder"] == tubular["fat"] == 0.0
