"""What shapes the graft: the directions in which GFR, donor age and rejection push."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medcl.imaging.simulate.clinical import Visit, draw_recipient
from medcl.imaging.simulate.physiology import draw_build, draw_state, function_of, shape_graft

RECIPIENT = replace(draw_recipient(np.random.default_rng(0)), donor_age=52, donor_size=1.0)
BUILD = draw_build(np.random.default_rng(1))
VISIT = Visit("M3", 90, 55.0, 55.0, 120.0, 0.0, 0.0)


def shape(visit: Visit = VISIT, **person: float):  # type: ignore[no-untyped-def]
    return shape_graft(BUILD, replace(RECIPIENT, **person), visit, np.random.default_rng(2))


def graft(visit: Visit):  # type: ignore[no-untyped-def]
    state = draw_state(visit, np.random.default_rng(3))
    return function_of(shape(visit), RECIPIENT, visit, state, np.random.default_rng(4))


def test_size_follows_gfr_donor_time_and_swelling() -> None:
    usual = shape().volume
    assert shape(replace(VISIT, gfr=90.0)).volume > usual
    assert shape(donor_age=75).volume < usual
    assert shape(donor_size=1.2).volume > usual
    assert shape(replace(VISIT, days=15)).volume < usual
    assert shape(replace(VISIT, rejection=1.0)).volume > usual


def test_cortex_follows_gfr_donor_age_and_rejection() -> None:
    usual = shape().cortex
    assert shape(replace(VISIT, gfr=90.0)).cortex > usual
    assert shape(donor_age=75).cortex < usual
    assert shape(replace(VISIT, rejection=1.0)).cortex > usual


def test_sinus_fat_follows_donor_age() -> None:
    assert shape(donor_age=75).sinus > shape().sinus > shape(donor_age=25).sinus


def test_filtration_is_gfr_for_the_recipients_body() -> None:
    assert np.isclose(graft(VISIT).filtration, 55.0 * RECIPIENT.surface / 1.73)


def test_perfusion_follows_filtration_and_rejection() -> None:
    usual = graft(VISIT).plasma_flow
    assert 1.0 < usual < 4.0
    assert graft(replace(VISIT, gfr=90.0)).plasma_flow > usual
    assert graft(replace(VISIT, rejection=1.0)).plasma_flow < 0.7 * usual


def test_native_t1_rises_in_rejection_and_as_function_falls() -> None:
    def factor(visit: Visit) -> float:
        return draw_state(visit, np.random.default_rng(5)).t1_factor

    assert factor(replace(VISIT, rejection=1.0)) > 1.1 * factor(VISIT)
    assert factor(replace(VISIT, gfr=20.0)) > factor(VISIT) > factor(replace(VISIT, gfr=90.0))


def test_the_circulation_knows_nothing_of_gfr() -> None:
    low, high = (draw_state(replace(VISIT, gfr=gfr), np.random.default_rng(6)) for gfr in (15.0, 100.0))
    assert low.arterial == high.arterial
    assert low.hydration == high.hydration
