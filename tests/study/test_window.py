"""The grammar of variables: what is read, what is refused with the next step, and that it reads what it writes."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.errors import BadInput
from medcl.study.window import REDUCERS, Request, Window, parse_request


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("gfr", Request("gfr")),
        (" eGFR [mL/min] ", Request("eGFR [mL/min]")),
        ("gfr@M12", Request("gfr", exam="M12")),
        ("volume@ED", Request("volume", exam="ED")),
        ("gfr@visit 3", Request("gfr", exam="visit 3")),
        ("screat@365+-60", Request("screat", window=Window(365, 60))),
        ("screat @ 365 +- 60 : median", Request("screat", window=Window(365, 60, "median"))),
        ("screat@365±60", Request("screat", window=Window(365, 60))),
        ("screat@365+/-60:SD", Request("screat", window=Window(365, 60, "sd"))),
        ("screat@-30+-7.5", Request("screat", window=Window(-30, 7.5))),
        ("screat@M12+-2w", Request("screat", window=Window(365, 14))),
        ("screat@1y+-1 month", Request("screat", window=Window(365, 30))),
        ("screat@exam+-14", Request("screat", window=Window(None, 14))),
        ("screat@Exam+-0:nearest", Request("screat", window=Window(None, 0, "nearest"))),
    ],
)
def test_what_is_read(text: str, request_: Request) -> None:
    assert parse_request(text) == request_


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("screat@365", r"says no width: write screat@365\+-60"),
        ("screat@exam", r"says no width: write screat@exam\+-14, or screat for the exam's own value"),
        ("screat@365+-60:mode", "'mode' is unknown; expected mean, median, last, nearest, sd"),
        ("screat@365+-60:", "'' is unknown; expected mean"),
        ("gfr@M12:sd", "':sd' needs a window"),
        ("screat@365+60", "cannot be read"),
        ("screat@ED+-5", "'ED' is no number of days, nor a time"),
        ("screat@365+-soon", "'soon' is no number of days"),
        ("screat@365+--5", "cannot be -5 days wide"),
        ("@365+-60", "cannot be read: expected"),
        ("gfr@", "cannot be read"),
        ("gfr@1@2", "cannot be read"),
        ("gfr@365+-60+-3", "no number of days"),
    ],
)
def test_what_is_refused_says_what_to_write(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse_request(text)


@given(
    st.from_regex(r"[a-z][a-z_0-9]{0,8}", fullmatch=True),
    st.none() | st.floats(-10_000, 10_000).map(lambda number: round(number, 3)),
    st.floats(0, 10_000).map(lambda number: round(number, 3)),
    st.sampled_from(sorted(REDUCERS)),
)
def test_a_window_is_read_as_it_is_written(name: str, centre: float | None, half: float, reducer: str) -> None:
    request_ = Request(name, window=Window(centre, half, reducer))
    assert parse_request(str(request_)) == request_


@given(st.text(alphabet="gfr@+-±:/ 0123456789.exampMsd", max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadInput):
        found = parse_request(text)
        assert "@" not in found.name
