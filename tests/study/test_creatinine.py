"""Creatinine from one unit to another."""

from __future__ import annotations

import pytest

from medcl.study.creatinine import UMOL_PER_L_PER_MG_PER_DL, creatinine_factor


def test_known_factors() -> None:
    assert creatinine_factor("mg/dL", "umol/L") == pytest.approx(88.42)
    assert creatinine_factor("µmol / l", "mg/dl") == pytest.approx(1 / 88.42)
    assert creatinine_factor("mmol/L", "micromol/L") == 1000
    assert creatinine_factor("μmol/L", "umol/L") == 1


def test_the_factor_is_that_of_the_molar_mass() -> None:
    grams_per_mole = 113.12
    assert pytest.approx(1e4 / grams_per_mole, rel=3e-4) == UMOL_PER_L_PER_MG_PER_DL


@pytest.mark.parametrize("unit", ["", "mg/L", "g/dL", "mL/min"])
def test_a_unit_that_is_not_known_converts_to_nothing(unit: str) -> None:
    assert creatinine_factor(unit, "umol/L") is None
    assert creatinine_factor("umol/L", unit) is None
