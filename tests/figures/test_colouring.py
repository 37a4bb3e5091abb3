from __future__ import annotations

import numpy as np
import pytest

from medcl.figures.colouring import OTHER, Colouring


def numbers(*values: float) -> Colouring:
    return Colouring("screat", "umol/L", "numeric", np.array(values))


def classes(*values: str) -> Colouring:
    return Colouring("exam", "", "categorical", np.array(values, dtype=object))


def test_title_with_unit() -> None:
    assert numbers(1, 2).title == "Serum creatinine (µmol/L)"
    assert classes("a").title == "Exam"


def test_limits_span_the_known_values() -> None:
    assert numbers(90, np.nan, 300).limits() == (90, 300)
    assert numbers(5, 5).limits() == (4.5, 5.5)


def test_one_outlier_does_not_take_the_scale() -> None:
    values = [*np.linspace(50, 150, 99), 5000]
    low, high = numbers(*values).limits()
    assert 50 <= low < 55
    assert 145 < high < 155
    # few values: shown whole
    assert numbers(50, 60, 5000).limits() == (50, 5000)


def test_missing_is_missing() -> None:
    assert numbers(1, np.nan).missing.tolist() == [False, True]
    assert classes("a", "").missing.tolist() == [False, True]
    assert numbers(1, np.nan).written(1) == classes("a", "").written(1) == "missing"
    assert numbers(143.2).written(0) == "143 µmol/L"


def test_classes_in_order_of_time_and_of_each_row() -> None:
    found = classes("M12", "D15", "", "M3", "D15")
    assert found.classes() == ["D15", "M3", "M12"]
    assert found.class_of().tolist() == [2, 0, -1, 1, 0]


def test_past_eight_classes_the_rarest_share_one() -> None:
    names = [f"c{number}" for number in range(10) for _ in range(20 - number)]
    found = classes(*names)
    assert found.classes() == [f"c{number}" for number in range(7)] + [OTHER]
    assert (found.class_of() == 7).sum() == 13 + 12 + 11


@pytest.mark.parametrize("count", [1, 8])
def test_up_to_eight_classes_keep_their_names(count: int) -> None:
    assert OTHER not in classes(*[f"c{number}" for number in range(count)]).classes()


def test_long_tails_are_coloured_by_their_logarithm() -> None:
    tail = np.exp(np.random.default_rng(0).normal(5, 0.8, size=300))
    assert numbers(*tail).logarithmic
    np.testing.assert_allclose(numbers(*tail).shown([10, 100]), [1, 2])
    for values in (np.linspace(50, 150, 100), -tail, tail[:10], tail - tail.min(), np.full(50, 3.0)):
        assert not numbers(*values).logarithmic
    np.testing.assert_allclose(numbers(1, 2).shown([10, 100]), [10, 100])
