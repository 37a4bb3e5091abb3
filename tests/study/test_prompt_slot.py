"""Words of numbers: the known answers of MEDIMP's rules, and the sides of a threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.prompt_rules import read_prompt_rules
from medcl.study.prompt_slot import Slot

SHIPPED = read_prompt_rules().slots


@pytest.mark.parametrize(
    ("gfr", "words"),
    [
        (0, "extremely low"),
        (14.9, "extremely low"),
        (15, "very low"),
        (29.9, "very low"),
        (30, "low"),
        (45, "medium"),
        (59.9, "medium"),
        (60, "high"),
        (150, "high"),
    ],
)
def test_gfr(gfr: float, words: str) -> None:
    assert SHIPPED["gfr"].of_number(gfr) == (words,)


@pytest.mark.parametrize(("age", "words"), [(18, "low"), (64.9, "low"), (65, "high"), (80, "high")])
def test_age_of_the_donor(age: float, words: str) -> None:
    assert SHIPPED["donor_age"].of_number(age) == (words,)


@pytest.mark.parametrize(("deviation", "first"), [(0, "stable"), (50, "stable"), (50.1, "unstable"), (400, "unstable")])
def test_deviation_of_creatinine(deviation: float, first: str) -> None:
    found = SHIPPED["stability"].of_number(deviation)
    assert found[0] == first
    assert found in [("stable", "steady", "consistent"), ("unstable", "fluctuating", "variable")]


@given(
    st.lists(st.integers(-100, 100), min_size=1, max_size=6, unique=True).map(sorted),
    st.floats(-200, 200),
    st.sampled_from(["higher", "lower"]),
)
def test_every_number_has_the_words_of_its_range(thresholds: list[int], value: float, side: str) -> None:
    words = tuple((str(place),) for place in range(len(thresholds) + 1))
    found = int(Slot("a", "a", "", "", tuple(map(float, thresholds)), words, side).of_number(value)[0])
    low, high = ([-math.inf, *thresholds][found], [*thresholds, math.inf][found])
    assert low <= value <= high
    assert value != (high if side == "higher" else low)


def test_classes_and_ranges_are_told_apart() -> None:
    assert SHIPPED["exam"].classes["D15"] == ("two weeks",)
    assert SHIPPED["exam"].entries == (("two weeks",), ("first month",), ("third month",), ("first year",))
    assert SHIPPED["gfr"].classes == {}
    assert len(SHIPPED["gfr"].entries) == 5
