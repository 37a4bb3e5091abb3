from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.comparison import compare
from medcl.evaluation.pooled import Pooled
from medcl.study.errors import BadInput

CASES = np.array([f"P{number:02d}" for number in range(60)])
TRUTH = np.random.default_rng(0).normal(size=60)


def said(noise: float, seed: int, rows: slice = slice(None), truth: np.ndarray = TRUTH) -> Pooled:
    predicted = truth + noise * np.random.default_rng(seed).normal(size=60)
    return Pooled("numeric", (), CASES[rows], CASES[rows], truth[rows], predicted[rows], (), 0, 0)


def test_the_better_set_is_told_and_the_even_ones_are_not() -> None:
    sets = {"good": said(0.2, 1), "bad": said(2.0, 2), "as bad": said(2.0, 3)}
    pairs = [("good", "bad"), ("good", "as bad"), ("bad", "as bad")]
    first, _, third = compare(sets, pairs, draws=400)
    assert (first.first, first.second, first.score, first.cases, first.patients) == ("good", "bad", "r2", 60, 60)
    assert first.difference.low > 0
    assert first.difference.p == pytest.approx(2 / 401)
    assert first.p_corrected == pytest.approx(3 * 2 / 401)
    assert third.difference.p > 0.05
    assert third.p_corrected >= third.difference.p
    (alone,) = compare(sets, pairs[:1], draws=400)
    assert alone.p_corrected == alone.difference.p
    mae = compare(sets, pairs[:1], draws=400, score="mae")[0]
    assert mae.difference.high < 0


def test_equal_sets_have_p_one() -> None:
    (found,) = compare({"A": said(1, 1), "B": said(1, 1)}, [("A", "B")], draws=100)
    assert (found.difference.value, found.difference.p) == (0, 1)


def test_only_cases_that_both_predict_count() -> None:
    (found,) = compare({"A": said(1, 1, slice(0, 50)), "B": said(1, 1, slice(20, 60))}, [("A", "B")], draws=50)
    assert (found.cases, found.left_out) == (30, 30)
    assert found.difference.value == 0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(BadInput, match="no case in common"):
        compare({"A": said(1, 1, slice(0, 30)), "B": said(1, 1, slice(30, 60))}, [("A", "B")])
    with pytest.raises(BadInput, match="A and B are not of the same target"):
        compare({"A": said(1, 1), "B": said(1, 1, truth=TRUTH + 1)}, [("A", "B")])
