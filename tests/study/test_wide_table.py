"""Headers with an exam in them, and names that only look like that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.wide_table import ExamColumn, exam_columns, match_exams


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("GFR D15", ExamColumn("gfr", "D15")),
        ("eGFR_M3 [mL/min]", ExamColumn("gfr", "M3")),
        ("serum creatinine M3 (umol/L)", ExamColumn("screat", "M3")),
        ("GFR 12 months", ExamColumn("gfr", "12 months")),
        ("GFR.M12", ExamColumn("gfr", "M12")),
    ],
)
def test_a_header_that_ends_in_a_time(header: str, column: ExamColumn) -> None:
    assert exam_columns([header, "GFR D99", "screat D99"], [])[header] == column


def test_a_time_alone_is_no_exam_unless_the_cohort_knows_it() -> None:
    assert exam_columns(["vitamin D3", "age_donor", "HLA 1"], ["D15", "1"]) == {}
    assert exam_columns(["vitamin D3"], ["D3"]) == {"vitamin D3": ExamColumn("vitamin", "D3")}


def test_labels_of_the_cohort_need_no_time() -> None:
    columns = exam_columns(["volume ED", "volume_es", "shape XY", "ED"], ["ED", "ES"])
    assert columns == {"volume ED": ExamColumn("volume", "ED"), "volume_es": ExamColumn("volume", "es")}


def test_exams_match_by_word_then_by_time() -> None:
    assert match_exams(["m3", "3 months", "Y1", "ED", "M24"], ["D15", "M3", "M12", "ES"]) == {
        "m3": "M3",
        "3 months": "M3",
        "Y1": "M12",
    }
    assert match_exams(["1y"], ["M12", "D365"]) == {}


@given(
    st.sets(st.sampled_from(["gfr", "screat", "weight", "x y"]), min_size=1),
    st.lists(st.integers(1, 400), min_size=2, max_size=5, unique=True),
    st.sampled_from(["D", "d", "day ", "J"]),
    st.sampled_from([" ", "_", ".", "-"]),
)
def test_every_variable_times_every_exam_is_split(names: set[str], days: list[int], unit: str, mark: str) -> None:
    headers = {f"{name}{mark}{unit}{day}": (name.replace(" ", "_"), f"{unit}{day}") for name in names for day in days}
    found = exam_columns([*headers, "age"], [])
    assert {header: (column.name, column.exam) for header, column in found.items()} == headers
