"""Hounsfield units of tissues: what they are by definition, in whom, and what contrast agent and fat change."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.hounsfield import FAT, PORTAL_GAIN, UNENHANCED, draw_hounsfield


def drawn(seed: int = 0, **changed: float) -> dict[str, float]:
    told = {"portal": False, "liver_fat": 0.0, "age": 45.0} | changed
    return draw_hounsfield(random=np.random.default_rng(seed), **told)  # type: ignore[arg-type]


def test_air_is_minus_1000_and_tissues_lie_where_they_should_without_contrast_agent() -> None:
    many = [drawn(seed) for seed in range(60)]
    mean = {name: float(np.mean([found[name] for found in many])) for name in UNENHANCED}
    assert all(found["air"] == -1000 for found in many)
    assert mean["fat"] == pytest.approx(-100, abs=3)
    assert 55 < mean["liver"] < 66
    assert 45 < mean["spleen"] < 55
    assert 30 < mean["cortex"] < 40
    assert mean["bone"] > 300
    for name in ("muscle", "spleen", "pancreas", "gut_wall", "myocardium"):
        assert 30 < mean[name] < 70, name


def test_contrast_agent_adds_what_it_should_and_leaves_the_rest() -> None:
    plain, portal = drawn(), drawn(portal=True)
    share = (portal["spleen"] - plain["spleen"]) / PORTAL_GAIN["spleen"]
    assert 0.4 < share < 2
    for name, gain in PORTAL_GAIN.items():
        more = portal[name] - plain[name]
        assert 0.3 * gain < more < 1.7 * gain, name
    assert portal["cortex"] > portal["liver"] > portal["muscle"]


def test_a_fatty_liver_measures_less_and_nothing_else_does() -> None:
    lean, fatty = drawn(), drawn(liver_fat=0.25)
    assert fatty["liver"] == pytest.approx(0.75 * lean["liver"] + 0.25 * FAT)
    assert fatty["liver"] < fatty["spleen"]
    assert {**fatty, "liver": 0} == {**lean, "liver": 0}


def test_marrow_loses_density_with_age() -> None:
    assert drawn(age=75)["marrow"] < drawn(age=45)["marrow"] < drawn(age=25)["marrow"]
