"""The draw of parts: exact sizes, balanced strata."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.split_draw import bins, lined_up, pick, sizes


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, (0, 1)), (3, (1, 1)), (4, (1, 1)), (5, (1, 1)), (10, (1, 2)), (80, (8, 16)), (100, (10, 20))],
)
def test_sizes_of_the_default_split(count: int, expected: tuple[int, int]) -> None:
    assert sizes(count, (0.7, 0.1, 0.2)) == expected


def test_a_fraction_of_zero_takes_nobody() -> None:
    assert sizes(10, (1.0, 0.0, 0.0)) == (0, 0)
    assert sizes(10, (0.8, 0.0, 0.2)) == (0, 2)


@given(st.integers(1, 60), st.data(), st.integers(0, 2**31))
def test_pick_takes_exactly_count_at_even_distances(length: int, data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(0, length))
    line = [str(index) for index in range(length)]
    picked = pick(line, count, np.random.default_rng(seed))
    assert len(picked) == len(set(picked)) == count
    for size in range(1, length + 1):  # every stretch of the line has its share to within one
        for start in range(length - size + 1):
            inside = sum(start <= int(name) < start + size for name in picked)
            assert abs(inside - count * size / length) <= 1 + 1e-9


def test_bins_are_quantiles_and_equal_values_share_one() -> None:
    values = {f"P{index}": float(index) for index in range(40)}
    found = bins(values)
    assert [list(found.values()).count(name) for name in range(4)] == [10, 10, 10, 10]
    assert len(set(bins({f"P{index}": 1.0 for index in range(40)}).values())) == 1
    assert set(bins({"P1": 1.0, "P2": 9.0}).values()) == {0}


def test_the_line_holds_strata_end_to_end_and_does_not_depend_on_the_order_given() -> None:
    strata = {"P1": "a", "P2": "b", "P3": "a", "P5": "b"}
    line = lined_up(["P1", "P2", "P3", "P4", "P5"], strata, np.random.default_rng(1))
    assert line[0] == "P4"
    assert set(line[1:3]) == {"P1", "P3"}
    assert set(line[3:]) == {"P2", "P5"}
    assert lined_up(["P5", "P4", "P3", "P2", "P1"], strata, np.random.default_rng(1)) == line
