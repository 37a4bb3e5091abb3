"""The lines of `medcl list variables`."""

from __future__ import annotations

from pathlib import Path

from medcl.study.cohort import read_cohort
from medcl.study.summary import summarise
from tests.study.clinical_files import joined


def test_summaries(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text(
        "patient,exam,image,site,gfr [mL/min],grade,empty\n"
        "P1,D15,a,Lyon,<15,a,\nP1,M3,b,Lyon,30,b,\nP2,D15,c,Paris,60,a,\nP3,D15,d,,,,\n"
    )
    cohort = read_cohort(tmp_path / "cohort.csv", need_images=False)
    summaries = {summary.name: summary for summary in summarise(cohort)}
    assert list(summaries) == ["gfr", "grade", "empty", "exam", "site"]
    gfr = summaries["gfr"]
    assert (gfr.header, gfr.unit, gfr.kind) == ("gfr [mL/min]", "mL/min", "numeric")
    assert (gfr.present, gfr.missing, gfr.patients, gfr.censored) == (3, 1, 2, 1)
    assert (gfr.low, gfr.median, gfr.high) == (15, 30, 60)
    assert gfr.range == "15 to 60, median 30"
    assert summaries["grade"].classes == {"a": 2, "b": 1}
    assert summaries["grade"].range == "a 2, b 1"
    assert summaries["site"].missing == 1
    empty = summaries["empty"]
    assert (empty.kind, empty.present, empty.missing, empty.low, empty.range) == ("empty", 0, 4, None, "no values")


def test_many_classes_are_cut(tmp_path: Path) -> None:
    rows = "".join(f"P{number},{number},c{number}\n" for number in range(30))
    (tmp_path / "cohort.csv").write_text("patient,image,comment\n" + rows)
    (summary,) = summarise(read_cohort(tmp_path / "cohort.csv", need_images=False))
    assert summary.range.endswith("c11 1, ... (30 classes)")


def test_readings_have_a_line_with_the_way_to_ask_for_them(tmp_path: Path) -> None:
    cohort = joined(tmp_path, lab="patient,days,hb [g/L],age\nP001,5,<90,50\nP001,9,120,50\nP009,4,100,40\n")
    summaries = {summary.name: summary for summary in summarise(cohort)}
    assert list(summaries) == ["gfr", "age", "exam", "hb"]
    hb = summaries["hb"]
    assert (hb.kind, hb.unit, hb.present, hb.missing, hb.patients, hb.censored) == ("readings", "g/L", 3, 2, 1, 1)
    assert hb.range == "90 to 120, median 105"
    assert hb.notes == ("2 readings of 1 patient in lab.csv, days 5 to 9; asked for as hb@365+-60 or hb@exam+-14",)


def test_the_derived_egfr_and_a_missing_unit_are_shown(tmp_path: Path) -> None:
    cohort = joined(tmp_path, "patient,image,screat [mg/dL],age,sex\nP1,a,1.2,50,F\n")
    assert [summary.name for summary in summarise(cohort)][-1] == "egfr_ckdepi2021"
    cohort = joined(tmp_path, "patient,image,screat,age,sex\nP1,a,1.2,50,F\n")
    screat, *_, last = summarise(cohort)
    assert last.name != "egfr_ckdepi2021"
    assert "no unit is stated; the values would be plausible in mg/dL" in screat.notes[0]
