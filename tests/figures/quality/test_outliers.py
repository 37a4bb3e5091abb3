from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.figures.quality.outliers import FEWEST, MAD_TO_DEVIATION, OUTLIER, robust_scores


def scores(values: list[float], groups: list[str] | None = None, least: float = 1e-9) -> list[float]:
    column = np.array(values, dtype=float)[:, None]
    return robust_scores(column, np.array([least]), groups or ["a"] * len(values))[:, 0].tolist()


def test_known_answer() -> None:
    found = scores([1, 2, 3, 4, 5, 6, 7, 8, 100])  # median 5, median absolute deviation 2
    assert found[-1] == pytest.approx(95 / (MAD_TO_DEVIATION * 2))
    assert found[0] == pytest.approx(-4 / (MAD_TO_DEVIATION * 2))
    assert [abs(score) >= OUTLIER for score in found] == [False] * 8 + [True]


def test_one_far_image_does_not_hide_another() -> None:
    plain = [*np.linspace(-1, 1, 20), 10]
    hidden = [*plain, 1e6]
    assert scores(hidden)[-2] > OUTLIER
    mean, deviation = np.mean(hidden), np.std(hidden)  # which is what a plain z-score does
    assert abs(10 - mean) / deviation < OUTLIER


def test_normal_values_have_standard_scores() -> None:
    values = np.random.default_rng(0).normal(7, 3, 20000)
    assert np.std(scores(values.tolist())) == pytest.approx(1, abs=0.03)


def test_groups_have_medians_of_their_own() -> None:
    values, groups = [1.0, 1.1, 0.9, 1.05] * 4 + [5.0, 5.1, 4.9, 5.05] * 4, ["a"] * 16 + ["b"] * 16
    assert max(map(abs, scores(values, groups))) < OUTLIER
    assert scores([*values, 5.0], [*groups, "a"])[-1] > OUTLIER


def test_a_small_group_is_compared_with_all() -> None:
    values = [1.0, 1.1, 0.9, 1.05] * 4
    assert scores([*values, 5.0], ["a"] * 16 + ["b"])[-1] > OUTLIER


def test_too_few_images_have_no_outliers() -> None:
    few = [1.0] * (FEWEST - 2) + [50.0]
    assert scores(few) == [0.0] * (FEWEST - 1)
    assert scores([*few, 1.0])[-2] > OUTLIER


def test_differences_at_rounding_level_are_none() -> None:
    values = [1.0] * 20 + [1.0 + 1e-6]
    assert scores(values, least=0.01)[-1] < 0.001
    assert scores(values)[-1] > OUTLIER


def test_rows_without_values_stay_out() -> None:
    found = scores([*range(10), float("nan")])
    assert found[-1] == 0
    assert found[:-1] == scores([float(n) for n in range(10)])


@given(st.lists(st.integers(-1000, 1000), min_size=FEWEST, max_size=30), st.integers(-100, 100), st.integers(1, 50))
def test_units_do_not_matter(values: list[int], shift: int, factor: int) -> None:
    if np.median(np.abs(np.array(values) - np.median(values))) == 0:
        return
    moved = [factor * value + shift for value in values]
    assert np.allclose(scores([float(v) for v in values]), scores([float(v) for v in moved]), rtol=1e-6, atol=1e-6)
