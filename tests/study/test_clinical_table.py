"""One clinical table: wide, by exam, and readings at their times; what is refused with its row."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.study.clinical_table import ClinicalTable, read_clinical_table
from medcl.study.errors import BadInput
from medcl.study.readings import Readings
from tests.study.clinical_files import written


def table(folder: Path, text: str, *exams: str) -> ClinicalTable:
    return read_clinical_table(written(folder, table=text)[0], exams)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        table(folder, text)
    return caught.value.problems


def rows(readings: Readings) -> list[tuple[object, ...]]:
    return list(
        readings.frame[["patient", "exam", "day", "value"]].astype(object).fillna("").itertuples(index=False, name=None)
    )


def test_a_wide_table_is_melted(tmp_path: Path) -> None:
    text = "Subject;GFR D15;GFR M3 [mL/min];age_donor\nP1;45,5;<15;44\nP2;;61;\n"
    found = table(tmp_path, text)
    age, gfr = found.readings
    assert (found.form, age.form, gfr.form) == ("patient", "patient", "exam")
    assert (gfr.name, gfr.unit) == ("gfr", "mL/min")
    assert rows(gfr) == [("P1", "D15", "", 45.5), ("P1", "M3", "", 15.0), ("P2", "M3", "", 61.0)]
    assert list(gfr.frame["limit"]) == [False, True, False]
    assert list(gfr.frame["row"]) == [2, 2, 3]
    assert list(gfr.frame["column"]) == ["GFR D15", "GFR M3 [mL/min]", "GFR M3 [mL/min]"]
    assert rows(age) == [("P1", "", "", 44.0)]
    assert found.notes == ["'GFR D15', 'GFR M3 [mL/min]': gfr at D15, M3"]


def test_creatinine_of_a_wide_table_keeps_the_unit_of_each_column(tmp_path: Path) -> None:
    text = "patient,SCR D15 [mg/dL],SCR M3 [umol/L],SCR M12\nP1,1.5,150,140\n"
    assert [(each.unit, len(each.frame)) for each in table(tmp_path, text).readings] == [
        ("mg/dL", 1),
        ("umol/L", 1),
        ("", 1),
    ]


def test_a_table_by_exam(tmp_path: Path) -> None:
    found = table(tmp_path, "patient,exam,days,gfr,rejection\nP1,D15,14,40,no\nP1,m3,90,50,Yes\nP2,M3,,60,yes\n")
    gfr, rejection = found.readings
    assert (found.form, gfr.form) == ("exam", "exam")
    assert rows(gfr) == [("P1", "D15", 14.0, 40.0), ("P1", "M3", 90.0, 50.0), ("P2", "M3", "", 60.0)]
    assert list(rejection.frame["value"]) == ["no", "Yes", "Yes"]


def test_a_long_table_of_readings(tmp_path: Path) -> None:
    text = "id,years,gfr,age,sex,weight\n7,0,40,30,F,60\n7,1,50,30,F,61\n8,0.5,60,50,M,70\n"
    found = table(tmp_path, text)
    assert found.form == "time"
    by = {(each.name, each.form): each for each in found.readings}
    assert rows(by["gfr", "time"]) == [("7", "", 0.0, 40.0), ("7", "", 365.25, 50.0), ("8", "", 182.625, 60.0)]
    assert rows(by["age", "patient"]) == [("7", "", "", 30.0), ("8", "", "", 50.0)]
    assert rows(by["sex", "patient"]) == [("7", "", "", "F"), ("8", "", "", "M")]
    assert ("weight", "patient") not in by
    assert found.notes == [
        "column 'years' is read as times since the reference date, 365.25 days each",
        "age, sex: the same in all rows of a patient, so also the patient's value",
    ]


def test_days_told_in_years_are_whole_days_where_they_were(tmp_path: Path) -> None:
    (gfr,) = table(tmp_path, f"patient,years,gfr\nP1,{30 / 365.25:.10f},40\nP2,0.5,40\n").readings
    assert list(gfr.frame["day"]) == [30, 182.625]


def test_one_result_a_row(tmp_path: Path) -> None:
    text = (
        "patient;date;Test;Result;Unit\nP1;2020-01-05;Creatinine;1,5;mg/dL\nP1;2020-01-05;Hb;110;g/L\n"
        "P1;2020-01-09;creatinine;140;µmol/L\nP2;2020-01-09;;140;\n"
    )
    found = table(tmp_path, text)
    assert [(each.name, each.unit, each.form, list(each.frame["row"])) for each in found.readings] == [
        ("screat", "mg/dL", "time", [2]),
        ("hb", "g/L", "time", [3]),
        ("screat", "µmol/L", "time", [4]),
    ]
    assert found.readings[0].frame["date"][0] + 4 == found.readings[2].frame["date"][0]


def test_one_result_a_row_without_times_is_a_value_of_the_patient(tmp_path: Path) -> None:
    found = table(tmp_path, "patient,parameter,value\nP1,age,40\nP1,weight,60\n")
    assert [(each.name, each.form) for each in found.readings] == [("age", "patient"), ("weight", "patient")]
    lines = problems(tmp_path, "patient,parameter,value\nP1,age,40\nP1,age,41\n")
    assert "row 3: patient 'P1': the patient has a row already" in lines[0]


def test_a_packed_table_reads_as_the_plain_one(tmp_path: Path) -> None:
    text = "patient,days,gfr\nP1,3,40\n"
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert rows(read_clinical_table(packed).readings[0]) == rows(table(tmp_path, text).readings[0])


def test_reference_dates(tmp_path: Path) -> None:
    found = table(tmp_path, "patient,transplant date,gfr\nP1,2020-01-02,40\nP2,,50\n")
    assert found.references == {"P1": "2020-01-02"}
    lines = problems(
        tmp_path, "patient,date,transplant date,gfr\nP1,2020-02-02,2020-01-02,4\nP1,2020-02-03,2020-01-03,5\n"
    )
    assert "row 3, column 'transplant date': patient 'P1' has 2020-01-02 in another row" in lines[0]


def test_names_and_birth_dates_are_not_read(tmp_path: Path) -> None:
    found = table(tmp_path, "patient,Last Name,Date of birth,gfr\nP1,Doe,1970-01-01,40\n")
    assert [each.name for each in found.readings] == ["gfr"]
    assert found.notes == ["'Last Name', 'Date of birth': not read, since it tells who people are"]


def test_the_decimal_sign_of_all_results_holds_for_each_test(tmp_path: Path) -> None:
    text = "patient;days;test;result\nP1;1;screat;1,234\nP1;1;hb;11,25\n"
    assert list(table(tmp_path, text).readings[0].frame["value"]) == [1.234]
    assert "two readings" in problems(tmp_path, text.replace("11,25", "11"))[0]


def test_columns_of_the_cohort_are_left_out_and_told(tmp_path: Path) -> None:
    found = table(tmp_path, "patient,site,gfr\nP1,Lyon,40\n")
    assert [each.name for each in found.readings] == ["gfr"]
    assert found.notes == ["'site': not read, such columns belong in cohort.csv"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("patinet,gfr\nP1,40\n", "the required column 'patient' is missing; did you mean it by 'patinet'"),
        ("patient,gfr\n", "has no rows"),
        ("patient,gfr\n,40\n", "row 2, column 'patient': is empty"),
        ("patient,gfr\nP1,40\nP1,50\n", "row 3: patient 'P1': the patient has a row already"),
        ("patient,exam,gfr\nP1,D15,40\nP1,d15,50\n", "row 3: patient 'P1': the patient has this exam already"),
        ("patient,exam,gfr\nP1,,40\n", "row 2: patient 'P1': has no exam"),
        ("patient,gfr,eGFR\nP1,4,5\n", "both mean gfr"),
        ("patient,days,gfr\nP1,soon,40\nP1,3,40\n", "row 2, column 'days': 'soon' is no number"),
        ("patient,date,gfr\nP1,03/04/2021,40\n", "row 2, column 'date'"),
        ("patient,years,months,gfr\nP1,1,12,40\n", "'years', 'months' all look like the time of the reading"),
        ("patient,gfr\nP1,40\nP2,abc\nP3,50\n", "row 3, column 'gfr': 'abc' is no number"),
        ("patient,GFR D15,GFR M3\nP1,40,low\nP2,50,high\n", "of several kinds"),
        ("patient,screat [umol/L]\nP1,1.2\nP2,1.4\n", "2 of the 2 values (median 1.3) are implausible in umol/L"),
        ("patient,screat\nP1,1.2 mg/dL\nP2,120 umol/L\n", "state several units ('mg/dL', 'umol/L')"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, expected: str) -> None:
    found = problems(tmp_path, text)
    assert expected in found[0]


VALUES = st.dictionaries(
    st.tuples(st.sampled_from(["P1", "P2", "P3", "Q-7"]), st.sampled_from(["D15", "M3", "M12"])),
    st.integers(1, 199),
    min_size=1,
)


def melted_right(readings: Readings, values: dict[tuple[str, str], int]) -> bool:
    found = {(patient, exam): value for patient, exam, _, value in rows(readings)}
    return found == {key: float(value) for key, value in values.items()}


@settings(max_examples=40)
@given(VALUES)
def test_wide_and_long_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, values: dict[tuple[str, str], int]
) -> None:
    folder = tmp_path_factory.mktemp("melt")
    patients = sorted({patient for patient, _ in values})
    exams = ("D15", "M3", "M12")
    lines = ["patient," + ",".join(f"GFR {exam}" for exam in exams)]
    lines += [",".join([who, *(str(values.get((who, exam), "")) for exam in exams)]) for who in patients]
    (wide,) = table(folder, "\n".join(lines)).readings
    assert melted_right(wide, values)
    text = "\n".join(["patient,exam,gfr", *(f"{who},{exam},{value}" for (who, exam), value in values.items())])
    (by_exam,) = table(folder, text).readings
    assert melted_right(by_exam, values)
    shifted = by_exam.with_frame(by_exam.frame.assign(value=np.roll(by_exam.frame["value"], 1) + 1))
    assert not melted_right(shifted, values)
