"""Dates of a column."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.dates import read_dates
from medcl.study.problems import Problems


def read(cells: list[str]) -> tuple[list[str], list[str]]:
    problems = Problems(Path("t.csv"))
    return read_dates(cells, range(2, 2 + len(cells)), "date", problems), problems.lines()


@pytest.mark.parametrize(
    "cell",
    ["2021-03-05", "20210305", "2021/03/05", "05.03.2021", "5.3.2021", "2021-03-05T10:15:00", "2021-03-05 10:15"],
)
def test_forms_that_are_certain(cell: str) -> None:
    assert read([cell, "", "NA"]) == (["2021-03-05", "", ""], [])


def test_the_column_tells_whether_the_month_is_first() -> None:
    assert read(["03/04/2021", "25/04/2021"])[0] == ["2021-04-03", "2021-04-25"]
    assert read(["03/04/2021", "04/25/2021"])[0] == ["2021-03-04", "2021-04-25"]
    assert read(["04/04/2021"]) == (["2021-04-04"], [])


def test_unclear_dates_are_refused_with_their_row() -> None:
    dates, lines = read(["03/04/2021", "", "spring", "2021-02-30"])
    assert dates == ["", "", "", ""]
    assert [line.split(",")[1].strip() for line in lines] == ["row 2", "row 4", "row 5"]
    assert "YYYY-MM-DD" in lines[0]


def test_contradicting_columns_are_refused() -> None:
    dates, lines = read(["25/04/2021", "04/25/2021"])
    assert dates == ["", ""]
    assert len(lines) == 2


@given(st.lists(st.dates(datetime.date(1000, 1, 1)), min_size=1, max_size=8), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]))
def test_one_form_is_read_right_or_refused(dates: list[datetime.date], form: str) -> None:
    texts = [date.strftime(form).rjust(10, "0") for date in dates]
    for found, date in zip(read(texts)[0], dates, strict=True):
        assert found in ("", date.isoformat())
