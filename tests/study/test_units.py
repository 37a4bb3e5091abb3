"""Units in headers."""

from __future__ import annotations

import pytest

from medcl.study.units import bare_unit, looks_like_unit, split_unit


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("eGFR [mL/min/1.73m2]", "eGFR", "mL/min/1.73m2"),
        ("eGFR\n[mL/min/1.73 m²]", "eGFR", "mL/min/1.73 m²"),
        ("creatinine (µmol/L)", "creatinine", "µmol/L"),
        ("creatinine (μmol/L)", "creatinine", "μmol/L"),
        ("BMI (kg/m2)", "BMI", "kg/m2"),
        ("ejection fraction (%)", "ejection fraction", "%"),
        ("age (years)", "age", "years"),
        ("leucocytes (10^9/L)", "leucocytes", "10^9/L"),
        ("creatinine (donor)", "creatinine (donor)", ""),
        ("sex (m/f)", "sex (m/f)", ""),
        ("sex (M)", "sex (M)", ""),
        ("HLA (A)", "HLA (A)", ""),
        ("yes/no (1/0)", "yes/no (1/0)", ""),
        ("grade [anything at all]", "grade", "anything at all"),
        ("plain", "plain", ""),
        ("[mm]", "", "mm"),
    ],
)
def test_units_are_taken_off(header: str, name: str, unit: str) -> None:
    assert split_unit(header) == (name, unit)


def test_what_looks_like_a_unit() -> None:
    assert all(map(looks_like_unit, ["mL/min/1.73m2", "24h", "mg/24h", "mmHg", "T", "°C", "%"]))
    assert not any(map(looks_like_unit, ["", "12", "1/2", "donor", "yes", "A", "a/b"]))


def test_units_that_are_the_same() -> None:
    assert {bare_unit(unit) for unit in ("µmol/L", "μmol / l", "umol/L", "micromol/L")} == {"umol/l"}
    assert bare_unit("mL/min/1.73 m²") == bare_unit("ml/min/1.73m^2")
    assert bare_unit("mg/dL") != bare_unit("mg/L")
