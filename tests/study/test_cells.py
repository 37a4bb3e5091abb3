"""One cell: missing words, limits, and what number a text can mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.cells import is_broken, is_missing, read_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45", 45.0),
        ("45.5", 45.5),
        ("45,5", 45.5),
        ("0,234", 0.234),
        ("0.234", 0.234),
        ("1234,567", 1234.567),
        ("-3", -3.0),
        ("−3,5", -3.5),
        ("+3", 3.0),
        ("1.5e-3", 0.0015),
        ("1,5E+03", 1500.0),
        (".5", 0.5),
        (",5", 0.5),
        ("5.", 5.0),
        ("007", 7.0),
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("1,234,567", 1234567.0),
        ("1.234.567", 1234567.0),
        ("1 234", 1234.0),
        ("1\u00a0234,5", 1234.5),
        ("1\u202f234.5", 1234.5),
        ("1'234.5", 1234.5),
        ("  12  ", 12.0),
    ],
)
def test_certain_numbers(text: str, value: float) -> None:
    number = read_number(text)
    assert number is not None
    assert number.certain == value
    assert not number.limit


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "12-15",
        "1,2,3",
        "1.2.3",
        "12 15",
        "1,23,456",
        "inf",
        "nan",
        "1e999",
        "5 mg",
        "<",
        "1..2",
        "٣",
        "--3",
        "0x10",
        "1_000",
        "15.03.2021",
        "3/4",
        ",",
        ".",
        "<>3",
        "1,234.567,8",
    ],
)
def test_no_numbers(text: str) -> None:
    assert read_number(text) is None


@pytest.mark.parametrize(("text", "point", "comma"), [("1,234", 1234.0, 1.234), ("1.234", 1.234, 1234.0)])
def test_two_readings(text: str, point: float, comma: float) -> None:
    number = read_number(text)
    assert number is not None
    assert (number.point, number.comma, number.certain) == (point, comma, None)


@pytest.mark.parametrize("text", ["<15", "< 15", "≤15", "<=15", ">15", "≥ 15,0"])
def test_limits_are_kept_and_marked(text: str) -> None:
    number = read_number(text)
    assert number is not None
    assert number.limit
    assert number.certain == 15.0


@pytest.mark.parametrize(
    "text", ["", " ", "NA", "n.a.", "N/A", "#N/A", "NaN", "NULL", "-", ".", "?", "unknown", "k.A."]
)
def test_missing_words(text: str) -> None:
    assert is_missing(text)
    assert is_missing(text, number=True)


def test_words_that_may_be_classes_or_zero_are_not_missing() -> None:
    assert not any(map(is_missing, ["none", "None", "no", "0", "neg", "ND"]))
    assert is_missing("ND", number=True)
    assert not is_missing("none", number=True)


def test_formula_errors() -> None:
    assert is_broken("#REF!")
    assert not is_broken("#N/A")


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", "<", ">="]))
def test_whatever_python_writes_is_read_back(value: float, limit: str) -> None:
    number = read_number(f"{limit}{value!r}")
    assert number is not None
    assert number.point == value
    assert number.limit == bool(limit)


@given(st.text(max_size=12))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    number = read_number(text)
    if number is not None:
        assert {number.point, number.comma} - {None}
        assert all(abs(value) < float("inf") for value in (number.point, number.comma) if value is not None)
