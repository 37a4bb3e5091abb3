"""Statistics over all of a patient's values against arithmetic by hand."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest

from medcl.study.cohort import Cohort
from medcl.study.errors import BadInput
from medcl.study.patient_statistic import patient_statistic
from tests.study.clinical_files import joined

EXAMS = """\
patient,exam,sequence,image,screat [umol/L],donor_age,grade
P1,D15,t1,a,100,50,a
P1,D15,t2,b,100,50,a
P1,M3,t1,c,200,50,b
P1,M12,t1,d,,50,b
P2,D15,t1,e,150,60,b
P3,D15,t1,f,,60,b
"""
LAB = """\
patient,days,creatinine [mg/dL]
P1,10,1
P1,10,1
P1,700,2
P1,,4
P3,15,<3
P3,16,3
"""


def by_patient(cohort: Cohort, name: str = "screat", statistic: str = "sd", unit: str = "umol/L") -> list[float | None]:
    """The statistic of P1, P2 and P3, the same for all images of each."""
    values, _ = patient_statistic(cohort, name, statistic, unit)
    assert list(values.index) == cohort.cases()
    patients = values.groupby(cohort.frame.set_index("case")["patient"])
    assert patients.nunique().max() == 1
    return [None if math.isnan(value) else float(value) for value in patients.first()]


def test_an_exam_counts_once_whatever_its_images(tmp_path: Path) -> None:
    cohort = joined(tmp_path, EXAMS)
    assert by_patient(cohort) == [pytest.approx(statistics.stdev([100, 200])), None, None]
    assert by_patient(cohort, statistic="mean") == [150, 150, None]
    _, notes = patient_statistic(cohort, "screat", "sd", "umol/L")
    assert notes == ["2 patients with fewer than 2 values"]
    _, notes = patient_statistic(cohort, "screat", "mean", "umol/L")
    assert notes == ["1 patient with fewer than 1 value"]


def test_units_are_converted(tmp_path: Path) -> None:
    milligrams = EXAMS.replace("umol/L", "mg/dL").replace(",100,", ",1,").replace(",200,", ",2,").replace("150", "1.5")
    cohort = joined(tmp_path, milligrams)
    assert by_patient(cohort) == [pytest.approx(88.42 * statistics.stdev([1, 2])), None, None]
    assert by_patient(cohort, unit="mg/dL") == [pytest.approx(statistics.stdev([1, 2])), None, None]


def test_readings_of_a_laboratory_stand_before_the_exams_values(tmp_path: Path) -> None:
    """Late readings and those without a day count; a repeated row does once; P2 has exams only."""
    cohort = joined(tmp_path, EXAMS, lab=LAB)
    expected = 88.42 * statistics.stdev([1, 2, 4])
    assert by_patient(cohort) == [pytest.approx(expected), None, 0]
    assert by_patient(cohort, statistic="mean") == [pytest.approx(88.42 * 7 / 3), 150, pytest.approx(88.42 * 3)]
    _, notes = patient_statistic(cohort, "screat", "mean", "umol/L")
    assert "values are the readings in lab.csv of 2 patients, of 1 patient without any the exams' values" in notes
    assert any("multiplied by 88.42" in note for note in notes)


def test_without_a_unit_all_tables_are_in_that_of_the_laboratory(tmp_path: Path) -> None:
    cohort = joined(tmp_path, EXAMS, lab=LAB)
    assert by_patient(cohort, statistic="mean", unit="")[1] == pytest.approx(150 / 88.42)


def test_exams_of_a_wide_table_without_an_image_count(tmp_path: Path) -> None:
    wide = (
        "patient,creatinine D15 [umol/L],creatinine M3 [umol/L],creatinine M24 [umol/L]\nP1,100,200,600\nP2,150,,250\n"
    )
    cohort = joined(tmp_path, EXAMS, wide=wide)
    expected = [statistics.stdev([100, 200, 600]), statistics.stdev([150, 250]), None]
    assert by_patient(cohort) == [None if value is None else pytest.approx(value) for value in expected]


def test_without_exams_equal_values_are_one(tmp_path: Path) -> None:
    text = "patient,sequence,image,screat [umol/L]\nP1,t1,a,100\nP1,t2,b,100\nP1,t3,c,180\nP2,t1,d,90\nP2,t2,e,90\n"
    assert by_patient(joined(tmp_path, text)) == [pytest.approx(statistics.stdev([100, 180])), None]


def test_a_derived_gfr_has_statistics(tmp_path: Path) -> None:
    text = EXAMS.replace("grade", "sex").replace(",a\n", ",F\n").replace(",b\n", ",F\n").replace("donor_age", "age")
    cohort = joined(tmp_path, text)
    found = by_patient(cohort, "egfr_ckdepi2021", unit="mL/min/1.73m2")
    first, second = sorted(set(cohort.variable("egfr_ckdepi2021").values.iloc[:3]))
    assert found == [pytest.approx(statistics.stdev([first, second])), None, None]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("screatt", "no column 'screatt'. Nearest: 'screat"),
        ("grade", r"cohort\.csv: column 'grade' holds classes, and a statistic takes numbers"),
        ("exam", "'exam' is no clinical variable: a statistic needs one with several values a patient"),
        ("weight", "'weight' has one value a patient, of which there is no standard deviation or mean"),
    ],
)
def test_what_has_no_statistic(tmp_path: Path, name: str, message: str) -> None:
    cohort = joined(tmp_path, EXAMS, more="patient,weight [kg]\nP1,70\nP2,80\nP3,90\n")
    with pytest.raises(BadInput, match=message):
        patient_statistic(cohort, name, "sd", "")


def test_units_that_cannot_be_converted_are_told_with_their_table(tmp_path: Path) -> None:
    cohort = joined(tmp_path, EXAMS, lab=LAB.replace("mg/dL", "g/mL"))
    with pytest.raises(BadInput, match=r"lab\.csv: column 'creatinine \[g/mL\]' is in 'g/mL', which cannot be conver"):
        patient_statistic(cohort, "screat", "sd", "umol/L")
