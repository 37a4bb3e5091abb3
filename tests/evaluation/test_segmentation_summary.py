"""Summaries: undefined cases are left out and counted, patients are drawn, classes are averaged within cases first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from medcl.evaluation import segmentation_summary
from medcl.evaluation.segmentation import METRICS, ClassScores
from medcl.evaluation.segmentation_summary import OVER_CLASSES, ClassSummary, over_classes

CLASSES = [(1, "right ventricle"), (3, "left ventricle")]


def summarise(*given: Any, **settings: Any) -> list[ClassSummary]:
    """With few draws, which are quick."""
    return segmentation_summary.summarise(*given, **({"draws": 300} | settings))


def scores(dice: float, empty: str = "") -> ClassScores:
    counts = {"": (5, 5), "truth": (0, 5), "prediction": (5, 0), "both": (0, 0)}[empty]
    value = float("nan") if empty == "both" else dice
    return ClassScores(*counts, 0.001, dict.fromkeys(METRICS, value))


CASES = [
    [scores(0.8), scores(0.6)],
    [scores(0.0, "prediction"), scores(0.9)],
    [scores(0.0, "both"), scores(0.3)],
    [scores(0.4), scores(0.0, "truth")],
]


def test_undefined_cases_stay_out_of_the_means_and_are_counted() -> None:
    right, left, both = summarise(CASES, ["a", "a", "b", "b"], CLASSES)
    assert (right.name, right.value, both.name, both.value) == ("right ventricle", 1, OVER_CLASSES, None)
    found = right.spreads["dice"]
    assert (right.cases, found.cases, found.patients) == (4, 3, 2)
    assert (right.both_empty, right.prediction_empty, right.truth_empty) == (1, 1, 0)
    assert (left.both_empty, left.prediction_empty, left.truth_empty) == (0, 0, 1)
    assert (both.both_empty, both.prediction_empty, both.truth_empty) == (1, 1, 1)
    assert found.mean == pytest.approx(0.4)
    assert found.median == pytest.approx(0.4)
    assert found.deviation == pytest.approx(np.std([0.8, 0.0, 0.4], ddof=1))


def test_classes_are_averaged_within_a_case_first() -> None:
    assert over_classes(CASES[2])["dice"] == pytest.approx(0.3)
    assert math.isnan(over_classes([scores(0, "both")])["dice"])
    both = summarise(CASES, ["a", "a", "b", "b"], CLASSES)[-1]
    assert both.spreads["dice"].mean == pytest.approx(np.mean([0.7, 0.45, 0.3, 0.2]))


def test_the_interval_is_by_patient() -> None:
    """Ten images of each patient, all alike, tell no more than one; drawn one by one they would seem to."""
    values = np.random.default_rng(0).uniform(0, 1, 12)
    cases = [[scores(float(value))] for value in np.repeat(values, 10)]

    def width(patients: list[str]) -> float:
        found = summarise(cases, patients, CLASSES[:1])[0].spreads["dice"]
        assert found.low < found.mean < found.high
        return found.high - found.low

    by_patient, by_case = width([str(n // 10) for n in range(120)]), width([str(n) for n in range(120)])
    assert by_patient > 2.5 * by_case
    once = summarise([[scores(float(value))] for value in values], [str(n) for n in range(12)], CLASSES[:1])
    assert by_patient == pytest.approx(once[0].spreads["dice"].high - once[0].spreads["dice"].low)


def test_too_few_have_no_interval() -> None:
    one = summarise(CASES[:1], ["a"], CLASSES)[0].spreads["hd95_mm"]
    assert one.mean == 0.8
    assert math.isnan(one.deviation)
    assert math.isnan(one.low)
    none = summarise([[scores(0, "both")]] * 3, ["a", "b", "c"], CLASSES[:1])[0].spreads["dice"]
    assert none.cases == 0
    assert math.isnan(none.mean)
    same = summarise(CASES[:2], ["a", "a"], CLASSES)[1].spreads["dice"]
    assert same.deviation > 0
    assert math.isnan(same.low)


def test_the_seed_moves_the_interval_only() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 9).tolist()
    cases, people = [[scores(value)] for value in values], list("abcdefghi")
    first, second, again = (summarise(cases, people, CLASSES[:1], seed=n)[-1].spreads["dice"] for n in (0, 1, 0))
    assert first == again
    assert first.mean == second.mean
    assert (first.low, first.high) != (second.low, second.high)


def test_there_are_two_thousand_draws_unless_told() -> None:
    cases, people = [[scores(value)] for value in np.linspace(0, 1, 7).tolist()], list("abcdefg")
    usual = segmentation_summary.summarise(cases, people, CLASSES[:1])
    assert usual == summarise(cases, people, CLASSES[:1], draws=2000)
    assert usual != summarise(cases, people, CLASSES[:1])
