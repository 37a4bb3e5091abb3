"""Keyed random numbers are a function of their arguments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from medcl.data.keyed import keyed_generator


def test_the_same_arguments_give_the_same_numbers_whatever_was_drawn_before() -> None:
    first = keyed_generator(3, "pairs", 5, 7)
    expected = first.random(4)
    keyed_generator(3, "pairs", 5, 8).random(1000)
    assert np.array_equal(keyed_generator(3, "pairs", 5, 7).random(4), expected)


def test_each_argument_matters() -> None:
    keys = [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", 0, 1), (0, "a", 0, 0, 1), (0, "a", -1)]
    draws = [keyed_generator(*key).random(3).tolist() for key in keys]
    assert all(a != b for a, b in itertools.combinations(draws, 2))


def test_neighbouring_keys_are_not_correlated() -> None:
    draws = np.array([keyed_generator(0, "noise", 0, key).random() for key in range(2000)])
    assert abs(draws.mean() - 0.5) < 0.03
    assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.07


def test_at_most_three_counters() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        keyed_generator(0, "a", 1, 2, 3, 4)
