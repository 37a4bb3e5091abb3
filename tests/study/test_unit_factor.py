"""Units of one variable from one to another."""

from __future__ import annotations

import pandas as pd
import pytest

from medcl.study.errors import BadInput
from medcl.study.unit_factor import factor_to, unit_factor
from medcl.study.variable import Variable


@pytest.mark.parametrize(
    ("name", "stated", "wanted", "factor"),
    [
        ("screat", "mg/dL", "umol/L", 88.42),
        ("screat", "umol/L", "mg/dL", 1 / 88.42),
        ("screat", "mmol/L", "µmol / l", 1000),
        ("screat", "g/dL", "umol/L", None),
        ("gfr", "mL/min/1.73 m²", "mL/min/1.73m2", 1),
        ("gfr", "mL/min", "mL/min/1.73m2", 1),
        ("gfr", "mL/s", "mL/min/1.73m2", None),
        ("ejection_fraction", "fraction", "%", 100),
        ("haematocrit", "%", "l/l", 0.01),
        ("donor_age", "yr", "years", 1),
        ("donor_age", "months", "years", None),
        ("tacrolimus", "ng/mL", "NG / ml", 1),
        ("tacrolimus", "ng/mL", "ug/L", None),
        ("urea", "mg/dL", "umol/L", None),
    ],
)
def test_factors(name: str, stated: str, wanted: str, factor: float | None) -> None:
    assert unit_factor(name, stated, wanted) == (None if factor is None else pytest.approx(factor))


def variable(name: str, header: str, unit: str, *values: float) -> Variable:
    return Variable(name, header, unit, "numeric", pd.Series(values, dtype="float64"))


def test_what_was_assumed_is_told() -> None:
    assert factor_to(variable("gfr", "eGFR", "", 50), "") == (1, "")
    assert factor_to(variable("gfr", "GFR [ml / min / 1.73m2]", "ml / min / 1.73m2", 50), "mL/min/1.73m2") == (1, "")
    read = "column 'eGFR' states no unit; its values are read as mL/min/1.73m2"
    assert factor_to(variable("gfr", "eGFR", "", 50), "mL/min/1.73m2") == (1, read)
    alike = "column 'eGFR [mL/min]': values in mL/min are read as mL/min/1.73m2"
    assert factor_to(variable("gfr", "eGFR [mL/min]", "mL/min", 50), "mL/min/1.73m2") == (1, alike)
    factor, note = factor_to(variable("screat@365+-60:sd", "screat@365+-60:sd", "mg/dL", 1.2), "umol/L")
    assert factor == pytest.approx(88.42)
    assert note == "column 'screat@365+-60:sd': values in mg/dL are multiplied by 88.42 to be in umol/L"


def test_units_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match=r"'Crea \[g/dL\]' is in 'g/dL', which cannot be converted to 'umol/L'"):
        factor_to(variable("screat", "Crea [g/dL]", "g/dL", 1), "umol/L")
    with pytest.raises(BadInput, match=r"'crea' is needed in umol/L, but no unit is stated.* plausible in mg/dL"):
        factor_to(variable("screat", "crea", "", 1.2, 1.4), "umol/L")
