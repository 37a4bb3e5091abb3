"""CKD-EPI 2021 against published examples, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.errors import BadInput
from medcl.study.kidney_function import NAME, ckd_epi_2021
from tests.study.clinical_files import joined

NATIONAL_KIDNEY_FOUNDATION = [(1.09, 55, "M", 80), (85 / 88.42, 65, "F", 66)]
"""Creatinine (mg/dL), age, sex and the result of the National Kidney Foundation's CKD-EPI 2021 calculator
(kidney.org/content/ckd-epi-creatinine-equation-2021), to whole numbers, as recorded in the tests of pharmaverse's
admiral (compute_egfr)."""

WORKED_EXAMPLES = [(0.8, 70, "M", 95.2), (1.0, 50, "F", 68.6)]
"""The examples in the documentation of the R package tabletools (calculate_egfr), to one decimal: one on each side of
the bend of the equation."""


@pytest.mark.parametrize(("creatinine", "age", "sex", "expected"), NATIONAL_KIDNEY_FOUNDATION)
def test_the_calculator_of_the_national_kidney_foundation(creatinine: float, age: int, sex: str, expected: int) -> None:
    assert round(float(ckd_epi_2021(creatinine, age, sex == "F"))) == expected


@pytest.mark.parametrize(("creatinine", "age", "sex", "expected"), WORKED_EXAMPLES)
def test_published_worked_examples(creatinine: float, age: int, sex: str, expected: float) -> None:
    assert round(float(ckd_epi_2021(creatinine, age, sex == "F")), 1) == expected
    assert round(float(ckd_epi_2021(creatinine, age, sex != "F")), 1) != expected


def test_at_the_bend_only_age_and_sex_are_left() -> None:
    assert float(ckd_epi_2021(0.9, 0, False)) == pytest.approx(142)
    assert float(ckd_epi_2021(0.7, 0, True)) == pytest.approx(142 * 1.012)
    np.testing.assert_allclose(ckd_epi_2021([0.9, 0.9], [40, 41], [False, False])[1], 142 * 0.9938**41)


@given(st.floats(0.2, 15), st.floats(0.01, 5), st.floats(18, 90), st.booleans())
def test_more_creatinine_and_more_years_are_less_gfr(creatinine: float, more: float, age: float, female: bool) -> None:
    here = float(ckd_epi_2021(creatinine, age, female))
    assert float(ckd_epi_2021(creatinine + more, age, female)) < here
    assert float(ckd_epi_2021(creatinine, age + 1, female)) < here


COHORT = """\
patient,exam,image,screat [umol/L],age [years],sex
P1,D15,a,96.3778,55,Male
P1,M3,b,,55,Male
P2,D15,c,85,65,w
P3,D15,d,85,12,F
"""


def test_a_derived_variable(tmp_path: Path) -> None:
    found = joined(tmp_path, COHORT).variable("eGFR CKD-EPI 2021")
    assert (found.name, found.unit) == (NAME, "mL/min/1.73m2")
    assert [round(value) if value == value else None for value in found.values] == [80, None, 66, None]
    assert found.notes == ("1 value of patients under 18 years left out: the equation is of adults",)


def test_the_unit_decides(tmp_path: Path) -> None:
    text = "patient,image,screat [{}],age,sex\nP1,a,{},55,M\n"
    micromol = joined(tmp_path, text.format("umol/L", "96.3778")).variable(NAME).values["P1"]
    milligram = joined(tmp_path, text.format("mg/dL", "1.09")).variable(NAME).values["P1"]
    assert micromol == pytest.approx(milligram)


def test_of_readings_in_a_window(tmp_path: Path) -> None:
    lab = "patient,days,screat [mg/dL]\nP1,300,1.09\nP1,400,2.18\nP2,365,<1\n"
    cohort = joined(tmp_path, "patient,exam,image,age,gender\nP1,M12,a,55,m\nP2,M12,b,65,f\n", lab=lab)
    found = cohort.variable(f"{NAME}@365+-70")
    one, two = (float(ckd_epi_2021(creatinine, 55, False)) for creatinine in (1.09, 2.18))
    assert found.values["P1_M12"] == pytest.approx((one + two) / 2)
    assert found.censored == {"P2_M12"}
    assert found.unit == "mL/min/1.73m2"
    assert math.isclose(cohort.variable(f"{NAME}@365+-70:last").values["P1_M12"], two)


def test_a_column_of_that_name_wins(tmp_path: Path) -> None:
    cohort = joined(
        tmp_path,
        COHORT.replace("sex", "egfr_ckdepi2021").replace("Male", "1").replace(",w\n", ",2\n").replace(",F\n", ",3\n"),
    )
    assert cohort.variable(NAME).header == "egfr_ckdepi2021"


@pytest.mark.parametrize(
    ("header", "row", "told"),
    [
        ("age,sex", "55,M", ["a column screat (serum creatinine) is missing"]),
        (
            "screat [mg/dL]",
            "1",
            ["a column age (of the patient, in years) is missing", "a column sex (F or M) is missing"],
        ),
        ("screat,age,sex", "1.2,55,M", ["column 'screat': no unit is stated; the values would be plausible in mg/dL"]),
        ("screat [mg/L],age,sex", "12,55,M", ["has the unit 'mg/L', expected mg/dL or umol/L"]),
        ("screat [mg/dL],age,sex", "1.2,55,1", ["column 'sex' holds '1.0': write F and M"]),
        (
            "screat [mg/dL],age [months],sex",
            "1.2,660,M",
            ["column 'age [months]' must hold numbers of years, not months"],
        ),
        ("screat [mg/dL],age,sex,gender", "1.2,55,M,M", ["there are 'sex' and 'gender': keep one"]),
        ("screat [mg/dL],age,sex", "low,55,M", ["column 'screat [mg/dL]' holds words"]),
    ],
)
def test_what_is_missing_is_told_at_once(tmp_path: Path, header: str, row: str, told: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        joined(tmp_path, f"patient,image,{header}\nP1,a,{row}\n").variable(NAME)
    for part in told:
        assert part in str(caught.value)
