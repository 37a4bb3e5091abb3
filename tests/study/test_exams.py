"""The order of exams."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.exams import exam_days, exam_order, natural_key


@pytest.mark.parametrize(
    ("label", "days"),
    [
        ("D15", 15),
        ("D30", 30),
        ("M3", 91),
        ("M12", 365),
        ("J15", 15),
        ("day 15", 15),
        ("3 months", 91),
        ("W2", 14),
        ("Y1", 365),
        ("y2", 730),
        ("12M", 365),
        ("m_6", 182),
        ("baseline", 0),
        ("D0", 0),
        ("2 ans", 730),
    ],
)
def test_labels_that_tell_time(label: str, days: int) -> None:
    assert exam_days(label) == days


@pytest.mark.parametrize("label", ["", "ED", "ES", "visit 3", "V3", "pre", "M", "3", "D15b", "A1"])
def test_labels_that_tell_none(label: str) -> None:
    assert exam_days(label) is None


@given(st.randoms(use_true_random=False))
def test_order_is_that_of_time_then_natural(chance: random.Random) -> None:
    wanted = ["baseline", "D15", "D30", "M3", "M12", "Y2", "ED", "ES", "V2", "V10"]
    shuffled = [*wanted, "D15"]
    chance.shuffle(shuffled)
    assert exam_order(shuffled) == wanted


def test_natural_order() -> None:
    assert sorted(["P10", "p2", "P1", "10", "9"], key=natural_key) == ["9", "10", "P1", "p2", "P10"]
