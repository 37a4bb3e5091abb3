from __future__ import annotations

import pytest

from medcl.figures.labels import capital, number, pretty_unit, readable


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("umol/L", "µmol/L"),
        ("mL/min/1.73m2", "mL/min/1.73 m²"),
        ("mL/min/1.73m^2", "mL/min/1.73 m²"),
        ("kg/m2", "kg/m²"),
        ("um", "µm"),
        ("years", "years"),
        ("lumen", "lumen"),
        ("", ""),
    ],
)
def test_units(written: str, printed: str) -> None:
    assert pretty_unit(written) == printed


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (143.0, "143"),
        (143.6, "144"),
        (44.0, "44"),
        (44.26, "44.3"),
        (0.1234, "0.123"),
        (0.0, "0"),
        (-0.5, "-0.5"),
        (12345.0, "12345"),
        (1.5e-7, "1.5e-07"),
        (2e9, "2e+09"),
    ],
)
def test_numbers(value: float, printed: str) -> None:
    assert number(value) == printed


def test_names() -> None:
    assert readable("screat") == "serum creatinine"
    assert readable("hla_mismatch") == "hla mismatch"
    assert capital("serum creatinine") == "Serum creatinine"
    assert capital("") == ""
