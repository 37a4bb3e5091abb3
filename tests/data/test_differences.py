"""Quantiles and counts of differences against listing all pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.data.differences import Differences

QUANTILES = (0.0, 0.16, 0.31, 0.45, 0.57, 0.76, 1.0)


def listed(values: np.ndarray, patients: np.ndarray) -> np.ndarray:
    pairs = itertools.combinations(range(len(values)), 2)
    return np.array([abs(values[i] - values[j]) for i, j in pairs if patients[i] != patients[j]])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [0, 1, 12])
def test_quantiles_agree_with_listing_all_pairs(seed: int, digits: int) -> None:
    generator = np.random.default_rng(seed)
    values, patients = generator.gamma(3, 20, 60).round(digits), generator.integers(0, 20, 60)
    differences, expected = Differences(values, patients), listed(values, patients)
    assert differences.pairs == len(expected)
    for q in QUANTILES:
        assert differences.quantile(q) == pytest.approx(np.quantile(expected, q), rel=1e-7, abs=1e-9)


def test_whole_numbers_give_exact_quantiles() -> None:
    differences = Differences(np.array([40.0, 44, 55, 72]), np.arange(4))
    assert [differences.quantile(q) for q in (0, 0.2, 1)] == [4, 11, 32]


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), min_size=2, max_size=20), st.integers(0, 16))
@settings(max_examples=60, deadline=None)
def test_counts_agree_with_listing_all_pairs(images: list[tuple[int, int]], reach: int) -> None:
    values, patients = (np.array(column) for column in zip(*images, strict=True))
    if len(set(patients.tolist())) < 2:
        patients[0] = 9
    differences, expected = Differences(values.astype(float), patients), listed(values, patients)
    assert differences.count_within(float(reach)) == (expected <= reach).sum()
    above = expected[expected > 0]
    if len(above):
        assert differences.smallest_above_zero() == above.min()


def test_values_that_differ_little_beside_their_size() -> None:
    values = 1e6 + np.array([0.0, 0.5, 2.0])
    differences = Differences(values, np.arange(3))
    assert [differences.quantile(q) for q in (0, 0.5, 1)] == pytest.approx([0.5, 1.5, 2.0], abs=1e-5)
