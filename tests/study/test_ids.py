"""Ids of two tables: what is one patient, what is left alone, and that no two patients become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.study.ids import id_key, match_ids


@pytest.mark.parametrize(
    ("one", "other"),
    [("P001", "p001"), ("P-001", "P001"), ("P 001", "p_001"), ("1-23", "1_23"), ("P001 ", "P001"), ("A.B", "a b")],
)
def test_ids_that_compare_equal(one: str, other: str) -> None:
    assert id_key(one) == id_key(other)


@pytest.mark.parametrize(("one", "other"), [("1-23", "12-3"), ("P1", "P10"), ("P001", "P01"), ("5466.0", "54660")])
def test_ids_that_do_not(one: str, other: str) -> None:
    assert id_key(one) != id_key(other)


def test_zeros_in_front_are_dropped_last() -> None:
    match = match_ids(["P001", "P010"], ["p1", "P-10"])
    assert match.matched == {"p1": "P001", "P-10": "P010"} == match.respelled
    both = match_ids(["P1", "P01"], ["P1", "p01", "P001"])
    assert both.matched == {"P1": "P1", "p01": "P01"}
    assert both.ambiguous == {"P001": ["P1", "P01"]}


def test_a_prefix_is_dropped_only_where_it_is_the_only_one_and_the_zeros_agree() -> None:
    assert match_ids(["P001", "P002"], ["001", "002"]).matched == {"001": "P001", "002": "P002"}
    assert match_ids(["001", "002"], ["P001", "P003"]).matched == {"P001": "001"}
    assert match_ids(["P001", "P002"], ["1", "2"]).matched == {}
    assert match_ids(["P001", "K002"], ["001", "002"]).matched == {}
    assert match_ids(["P001", "P002"], ["001", "K2"]).matched == {}


def test_two_ids_are_never_one_patient() -> None:
    match = match_ids(["P001", "P002"], ["P001", "p1", "P002"])
    assert match.matched == {"P002": "P002"}
    assert match.twice == {"P001": ["P001", "p1"]}


def test_both_sides_are_reported() -> None:
    match = match_ids(["P1", "P2", "P3"], ["P2", "P9"])
    assert (match.unknown, match.absent) == (["P9"], ["P1", "P3"])


IDS = st.lists(st.text(alphabet="pP01-. ", min_size=1, max_size=5), max_size=8, unique=True)


@given(IDS, IDS)
def test_matching_is_one_to_one_and_exact_ids_are_never_given_to_another(cohort: list[str], table: list[str]) -> None:
    match = match_ids(cohort, table)
    assert len(set(match.matched.values())) == len(match.matched)
    assert set(match.matched.values()) <= set(cohort)
    for each, patient in match.matched.items():
        assert patient == each or each not in cohort
    placed = {
        *match.matched,
        *match.unknown,
        *match.ambiguous,
        *(name for names in match.twice.values() for name in names),
    }
    assert placed == set(table)


@given(IDS)
def test_equal_ids_always_match(ids: list[str]) -> None:
    assert match_ids(ids, ids).matched == {each: each for each in ids}
