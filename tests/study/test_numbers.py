"""Columns of numbers: conventions, ambiguity, units; a value is read right or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.numbers import NumberColumn, Numbers


def read_numbers(cells: list[str], table: set[str] | None = None) -> Numbers:
    return NumberColumn(cells).read(table or set())


@pytest.mark.parametrize(
    ("cells", "table", "values"),
    [
        (["1,5", "1,234"], set(), [1.5, 1.234]),  # the column's own decimal comma decides
        (["1.5", "1.234"], set(), [1.5, 1.234]),
        (["1.234", "2.500"], {"point"}, [1.234, 2.5]),  # the table decides where the column does not
        (["1,234", "2,500"], {"comma"}, [1.234, 2.5]),
        (["1.234,5", "1.234"], set(), [1234.5, 1234.0]),  # thousands signs for certain in the column
        (["1,234.5", "1,234"], set(), [1234.5, 1234.0]),
        (["5,2", "5.3"], set(), [5.2, 5.3]),  # mixed, but each is certain
        (["12", "NA", "", "7"], set(), [12.0, None, None, 7.0]),
        (["<15", ">90,5"], set(), [15.0, 90.5]),
    ],
)
def test_values(cells: list[str], table: set[str], values: list[float | None]) -> None:
    numbers = read_numbers(cells, table)
    assert numbers.values == values
    assert not numbers.ambiguous
    assert not numbers.unreadable
    assert NumberColumn(cells).share == 1.0


@pytest.mark.parametrize(
    ("cells", "table", "ambiguous"),
    [
        (["1,234", "980"], set(), [0]),
        (["1.234", "980"], set(), [0]),
        (["1.234", "980"], {"comma"}, [0]),
        (["1.234", "980"], {"comma", "point"}, [0]),
        (["1,234", "12.5"], set(), [0]),  # thousands, or a slip of the hand
        (["5,2", "5.3", "1,234", "1.234"], set(), [2, 3]),  # mixed conventions decide nothing
        (["<1,234", "7"], set(), [0]),
    ],
)
def test_cells_with_two_readings_are_refused(cells: list[str], table: set[str], ambiguous: list[int]) -> None:
    numbers = read_numbers(cells, table)
    assert numbers.ambiguous == ambiguous
    assert all(numbers.values[index] is None for index in ambiguous)
    assert not any(numbers.limits[index] for index in ambiguous)


def test_unreadable_cells_and_limits_are_told_by_index() -> None:
    numbers = read_numbers(["<15", "abc", "30", "none"])
    assert numbers.unreadable == [1, 3]
    assert numbers.limits == [True, False, False, False]
    assert NumberColumn(["<15", "abc", "30", "none", "", "1,234"]).share == 0.6


def test_a_unit_behind_every_number_is_taken_off() -> None:
    numbers = read_numbers(["45 mL/min", "<15mL/min", "NA", "7,5 ml/min"])
    assert (numbers.values, numbers.unit.casefold()) == ([45.0, 15.0, None, 7.5], "ml/min")
    assert numbers.limits == [False, True, False, False]
    assert read_numbers(["45 %", "3%"]).values == [45.0, 3.0]


@pytest.mark.parametrize("cells", [["45 mL/min", "3 mg/L"], ["1a", "2a"], ["45 mL/min", "3"], ["D15", "D30"]])
def test_other_words_behind_numbers_stay(cells: list[str]) -> None:
    assert read_numbers(cells).unreadable


def test_conventions() -> None:
    assert NumberColumn(["1", "1 234", "x", "1,234"]).conventions == set()
    assert NumberColumn(["1,5", "3"]).conventions == {"comma"}
    assert NumberColumn(["1,5", "3.25"]).conventions == {"comma", "point"}


def written(value: float, digits: int, decimal: str, thousands: str) -> str:
    text = f"{value:,.{digits}f}"
    return text.translate({ord(","): thousands, ord("."): decimal})


numbers_with_digits = st.lists(
    st.tuples(st.floats(-1e7, 1e7), st.integers(0, 4), st.sampled_from(["", "<", ">"])), min_size=1, max_size=12
)


@given(
    numbers_with_digits,
    st.sampled_from([(".", ","), (",", "."), (".", ""), (",", ""), (".", " "), (",", "\u00a0"), (".", "'")]),
    st.booleans(),
)
def test_a_column_of_one_convention_is_read_right_or_refused(
    cells: list[tuple[float, int, str]], signs: tuple[str, str], table_tells: bool
) -> None:
    decimal, thousands = signs
    texts = [limit + written(value, digits, decimal, thousands) for value, digits, limit in cells]
    table = {"point" if decimal == "." else "comma"} if table_tells else set()
    numbers = read_numbers(texts, table)
    assert not numbers.unreadable
    for index, (value, digits, limit) in enumerate(cells):
        if index in numbers.ambiguous:
            assert sum(sign in texts[index] for sign in ".,") == 1  # only what has two readings is refused
            continue
        assert numbers.values[index] == float(f"{value:.{digits}f}")
        assert numbers.limits[index] == bool(limit)


@given(numbers_with_digits, st.sampled_from(".,"))
def test_without_thousands_signs_a_telling_table_makes_everything_certain(
    cells: list[tuple[float, int, str]], decimal: str
) -> None:
    texts = [written(value, digits, decimal, "") for value, digits, _ in cells]
    numbers = read_numbers(texts, {"point" if decimal == "." else "comma"})
    assert numbers.values == [float(f"{value:.{digits}f}") for value, digits, _ in cells]
