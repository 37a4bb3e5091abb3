"""Columns that tell a time since the reference date."""

from __future__ import annotations

import pytest

from medcl.study.time_column import days_per_unit


@pytest.mark.parametrize(
    ("header", "days"),
    [
        ("days", 1),
        ("Day", 1),
        ("days since transplantation", 1),
        ("years", 365.25),
        ("Months since transplant", 30.4375),
        ("weeks_after_surgery", 7),
        ("time [weeks]", 7),
        ("follow-up time (y)", 365.25),
        ("time since baseline [months]", 30.4375),
        ("time", None),
        ("age [years]", None),
        ("years on dialysis", None),
        ("fuyears", None),
        ("time [h]", None),
        ("gfr", None),
    ],
)
def test_days_per_unit(header: str, days: float | None) -> None:
    assert days_per_unit(header) == days
