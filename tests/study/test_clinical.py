"""Clinical tables joined to a cohort: whose values, what did not match, what contradicts."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from medcl.study.cohort import Cohort
from medcl.study.errors import BadInput
from tests.study.clinical_files import COHORT, joined


def values(cohort: Cohort, text: str) -> list[object]:
    return [None if value != value else value for value in cohort.variable(text).values]


def refused(folder: Path, cohort: str = COHORT, **tables: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        joined(folder, cohort, **tables)
    return caught.value.problems


def test_values_go_to_the_images_of_their_patient_and_exam(tmp_path: Path) -> None:
    cohort = joined(
        tmp_path,
        wide="patient,weight D15,weight m12,donor age\nP002,60,62,40\nP001,70,72,50\n",
        visits="patient,exam,bmi [kg/m2],rejection\nP001,M3,24,yes\nP002,D15,22,no\n",
    )
    assert values(cohort, "weight") == [70, None, 72, 60, 62]
    assert values(cohort, "age_donor") == [50, 50, 50, 40, 40]
    assert values(cohort, "bmi") == [None, 24, None, 22, None]
    assert cohort.variable("bmi").unit == "kg/m2"
    assert values(cohort, "rejection") == [None, "yes", None, "no", None]
    assert list(cohort.variables) == ["gfr", "donor_age", "weight", "bmi", "rejection"]
    assert list(cohort.own) == ["gfr"]


def test_a_missing_value_is_taken_from_the_next_table_and_told(tmp_path: Path) -> None:
    cohort = joined(tmp_path, wide="patient,GFR M3,GFR M12\nP001,50.2,55\nP002,,\n")
    assert values(cohort, "gfr") == [40, 50, 55, 60, 70]
    assert cohort.variable("gfr").notes == ("1 image without a value in cohort.csv: taken from wide.csv",)


def test_limits_come_along(tmp_path: Path) -> None:
    cohort = joined(tmp_path, wide="patient,GFR M3,GFR M12\nP001,>50,<15\nP002,,\n")
    assert cohort.variable("gfr").censored == {"P001_M12"}


def test_what_did_not_match_is_told_on_both_sides(tmp_path: Path) -> None:
    cohort = joined(tmp_path, people="patient,donor age,weight M24,weight D15\nP-1,50,1,2\nP9,40,3,4\n")
    assert cohort.notes == (
        "people.csv: 'weight M24', 'weight D15': weight at M24, D15",
        "people.csv: has 1 of the 2 patients of cohort.csv, and nothing of 1 ('P002')",
        "people.csv: written differently: 'P-1' is P001 (1 in all)",
        "people.csv: not in cohort.csv: 1 of its patients ('P9')",
        "people.csv: exams in it without an image: 1 (P001 M24)",
    )


def test_an_id_that_could_be_two_patients_is_left_out_and_told(tmp_path: Path) -> None:
    text = "patient,image\nP1,a\nP01,b\n"
    cohort = joined(tmp_path, text, people="patient,donor age\nP1,50\nP001,40\n")
    assert values(cohort, "donor_age") == [50, None]
    assert "people.csv: 'P001' could be P01 or P1 and is left out" in cohort.notes


def test_two_ids_of_one_patient_are_refused(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, people="patient,donor age\nP001,50\np1,40\n")
    assert "'P001', 'p1' would all be patient 'P001' of cohort.csv" in problem


def test_a_table_of_other_people_is_refused(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, people="patient,donor age\nX1,50\nX2,40\n")
    assert "none of its 2 patients ('X1', 'X2') is in cohort.csv, whose patients are 'P001', 'P002'" in problem


def test_contradictions_are_refused_and_rounding_is_none(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, wide="patient,GFR D15,GFR M3\nP001,40,57\nP002,61,\n")
    assert "wide.csv, column 'GFR D15', 'GFR M3': contradicts 'gfr [mL/min]'" in problem
    assert "in 2 images (P001_M3: 50 and 57; P002_D15: 60 and 61)" in problem
    assert values(joined(tmp_path, wide="patient,GFR D15,GFR M3\nP001,40.2,50.1\nP002,,\n"), "gfr")[0] == 40


def test_two_columns_of_one_exam_must_say_the_same(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, wide="patient,GFR M12,GFR 1 year\nP001,60,61\nP002,70,70\n")
    assert "gfr has several values of one exam (P001 M12): keep one" in problem


def test_words_contradict_whatever_their_case(tmp_path: Path) -> None:
    text = "patient,image,sex\nP001,a,Female\nP002,b,\n"
    assert values(joined(tmp_path, text, people="patient,sex\nP001,female\nP002,male\n"), "sex") == ["Female", "male"]
    assert "contradicts" in refused(tmp_path, text, people="patient,sex\nP001,male\nP002,male\n")[0]


def test_one_value_a_patient_does_not_pass_for_the_value_of_an_exam(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, people="patient,gfr\nP001,40\nP002,60\n")
    assert "contradicts" in problem


def test_creatinine_is_converted_when_both_units_are_stated_and_refused_when_not(tmp_path: Path) -> None:
    text = "patient,exam,image,screat [umol/L]\nP001,D15,a,100\nP001,M3,b,\n"
    cohort = joined(tmp_path, text, wide="patient,SCR M3 [mg/dL],SCR M6 [mg/dL]\nP001,2,2\n")
    assert values(cohort, "screat") == [100, pytest.approx(176.84)]
    (problem,) = refused(tmp_path, text, wide="patient,SCR M3,SCR M6\nP001,2,2\n")
    assert "has the unit 'not stated', but 'screat [umol/L]' elsewhere 'umol/L'" in problem


def test_other_units_must_agree_where_they_are_stated(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, wide="patient,GFR M6 [mL/s],GFR M12 [mL/s]\nP001,1,1\n")
    assert "has the unit 'mL/s', but 'gfr [mL/min]' elsewhere 'mL/min'" in problem


def test_words_and_numbers_do_not_mix(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, visits="patient,exam,gfr\nP001,M12,low\n")
    assert "is categorical, but 'gfr [mL/min]' elsewhere numeric" in problem


def test_names_that_cohort_csv_reads_itself_are_refused(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, lab="patient,test,value\nP001,site,5\n")
    assert "a variable cannot be called 'site'" in problem


def test_readings_of_a_laboratory_table_need_a_window(tmp_path: Path) -> None:
    cohort = joined(tmp_path, lab="patient,days,hb [g/L]\nP001,5,110\nP001,9,120\n")
    assert "hb" not in cohort.variables
    with pytest.raises(BadInput, match=r"'Hb' has readings at many times in .*lab.csv .* hb@365\+-60"):
        cohort.variable("Hb")


def test_the_same_reading_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    cohort = joined(tmp_path, lab="patient,days,hb\nP001,5,110\nP001,5,110\nP001,5,116\n")
    assert values(cohort, "hb@5+-1")[0] == 113
    assert "lab.csv: 1 row with the patient, time and value of another: they count once" in cohort.notes


def test_all_problems_of_all_tables_come_together(tmp_path: Path) -> None:
    found = refused(tmp_path, one="patient,gfr\nP1,40\nP1,50\n", two="patient,donor age\nX,4\n", three="gfr\n4\n")
    assert len(found) == 3


def test_two_reference_dates_of_a_patient_are_refused(tmp_path: Path) -> None:
    (problem,) = refused(
        tmp_path, one="patient,transplant date\nP001,2020-01-01\n", two="patient,transplant date\np1,2020-01-02\n"
    )
    assert "two.csv: patient 'p1' has the reference date 2020-01-02, elsewhere 2020-01-01" in problem


def test_a_cohort_without_tables_is_as_before(tmp_path: Path) -> None:
    cohort = joined(tmp_path)
    assert (cohort.readings, cohort.notes) == ((), ())
    assert math.isnan(cohort.variable("gfr").values["P001_M12"])
