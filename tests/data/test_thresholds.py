"""Parsing, known answers and quantiles of the thresholds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.data.differences import slack_of
from medcl.data.thresholds import (
    AUTO_QUANTILES,
    PAPER_THRESHOLDS,
    Stage,
    auto_thresholds,
    parse_thresholds,
)
from medcl.study.errors import BadInput


def test_the_papers_stages_for_gfr() -> None:
    assert parse_thresholds(PAPER_THRESHOLDS["gfr"]) == (Stage(5, 30), Stage(10, 20), Stage(10, 15))


def test_one_stage_decimals_semicolons_and_equal_thresholds() -> None:
    assert parse_thresholds(" 0.5,3.25 ;2,2\n") == (Stage(0.5, 3.25), Stage(2, 2))
    assert parse_thresholds("0,1") == (Stage(0, 1),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("30,5", ["stage 1 (30,5)", "above t_neg"]),
        ("5,30 10", ["stage 2 reads '10'", "t_pos,t_neg"]),
        ("5,30,40", ["stage 1 reads '5,30,40'"]),
        ("a,b", ["stage 1 reads 'a,b'"]),
        ("", ["stage 1 reads ''"]),
        ("-1,5", ["t_pos must be 0 or more"]),
        ("0,0", ["t_neg above 0"]),
        ("nan,5", ["finite"]),
        ("5,inf", ["finite"]),
        ("30,5 1,x", ["stage 1 (30,5)", "stage 2 reads '1,x'"]),
    ],
)
def test_what_cannot_be_used_is_refused_all_at_once(text: str, words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        parse_thresholds(text)
    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert "--thresholds" in str(refused.value)


@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(1e-3, 1e6)).map(lambda t: (min(t), max(t))), min_size=1, max_size=5)
)
@settings(deadline=None)
def test_what_is_written_is_read_back(stages: list[tuple[float, float]]) -> None:
    text = " ".join(f"{low!r},{high!r}" for low, high in stages)
    assert parse_thresholds(text) == tuple(Stage(low, high) for low, high in stages)


def test_differences_that_floating_point_misses() -> None:
    values = np.array([35.3, 30.3])
    assert 35.3 - 30.3 < 5.0
    stage, slack = Stage(5, 5), slack_of(values)
    difference = abs(values[0] - values[1])
    assert difference > stage.reach(slack), "exactly 5 is not below 5"
    assert difference >= stage.distance(slack), "exactly 5 is from 5 on"
    assert Stage(0, 1).reach(slack) == slack, "only equal values are positive"


def all_differences(values: np.ndarray, patients: np.ndarray) -> np.ndarray:
    pairs = itertools.combinations(range(len(values)), 2)
    return np.array([abs(values[i] - values[j]) for i, j in pairs if patients[i] != patients[j]])


def test_auto_takes_the_named_quantiles() -> None:
    generator = np.random.default_rng(4)
    values, patients = generator.normal(50, 20, 80), np.arange(80) // 2
    stages, notes = auto_thresholds(values, patients)
    differences = all_differences(values, patients)
    assert len(stages) == 3
    for stage, (low, high) in zip(stages, AUTO_QUANTILES, strict=True):
        assert stage.positive_below == pytest.approx(np.quantile(differences, low), rel=1e-6)
        assert stage.negative_from == pytest.approx(np.quantile(differences, high), rel=1e-6)
    assert notes == []


def test_ties_are_reported() -> None:
    values = np.repeat([1.0, 2.0, 3.0], 20)  # |dv|: 19/59 are 0, 40/59 not
    _, notes = auto_thresholds(values, np.arange(60))
    assert any("ties" in note for note in notes)


def test_mostly_equal_values_still_give_negatives() -> None:
    values = np.array([0.0] * 95 + [4.0] * 5)
    stages, notes = auto_thresholds(values, np.arange(100))
    assert all(stage.negative_from == pytest.approx(4) for stage in stages)
    assert any("equal values" in note for note in notes)
