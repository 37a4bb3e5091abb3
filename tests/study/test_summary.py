"""The lines of `medcl list variables`."""

from __future__ import annotations

from pathlib import Path

from medcl.study.cohort import read_cohort
from medcl.study.summary import summarise


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
    assert (summaries["empty"].present, summaries["empty"].range) == (0, "")


def test_many_classes_are_cut(tmp_path: Path) -> None:
    rows = "".join(f"P{number},{number},c{number}\n" for number in range(30))
    (tmp_path / "cohort.csv").write_text("patient,image,comment\n" + rows)
    (summary,) = summarise(read_cohort(tmp_path / "cohort.csv", need_images=False))
    assert summary.range.endswith("c11 1, ... (30 classes)")
