"""Pair spaces against listing all pairs, uniformity of draws, and memory at many images."""

from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.data import pair_space
from medcl.data.pair_space import PairSpace, close_pairs, far_pairs, pairs_between, pairs_within

IMAGES = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=25)


def as_set(space: PairSpace) -> set[frozenset[int]]:
    pairs = [frozenset(pair.tolist()) for block in space.blocks() for pair in block]
    assert len(pairs) == len(set(pairs)), "a pair was listed twice"
    assert all(len(pair) == 2 for pair in pairs), "an image with itself"
    return set(pairs)


@given(images=IMAGES, reach=st.integers(0, 8), distance=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_spaces_are_what_listing_all_pairs_gives(images: list[tuple[int, int, int]], reach: int, distance: int) -> None:
    values, patients, exams = (np.array(column) for column in zip(*images, strict=True))
    rows = np.arange(len(images)) + 100
    floats = values.astype(float)
    everything = list(itertools.combinations(range(len(images)), 2))

    def listed(keep: object) -> set[frozenset[int]]:
        return {frozenset((i + 100, j + 100)) for i, j in everything if keep(i, j)}

    spaces = {
        "close": close_pairs(rows, floats, patients, float(reach)),
        "far": far_pairs(rows, floats, patients, float(distance)),
        "within": pairs_within(rows, patients),
        "other exams": pairs_within(rows, patients, exams),
        "between": pairs_between(rows, patients),
    }
    expected = {
        "close": lambda i, j: patients[i] != patients[j] and abs(values[i] - values[j]) <= reach,
        "far": lambda i, j: patients[i] != patients[j] and abs(values[i] - values[j]) >= distance,
        "within": lambda i, j: patients[i] == patients[j],
        "other exams": lambda i, j: patients[i] == patients[j] and exams[i] != exams[j],
        "between": lambda i, j: patients[i] != patients[j],
    }
    for name, space in spaces.items():
        pairs = listed(expected[name])
        assert as_set(space) == pairs, name
        assert space.count == len(pairs), name
        drawn = space.draw(7, np.random.default_rng(0))
        assert len(drawn) == min(7, len(pairs)), name
        assert {frozenset(pair.tolist()) for pair in drawn} <= pairs, name


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    space = close_pairs(np.arange(40), generator.random(40), generator.integers(0, 9, 40), 0.3)
    expected = as_set(space)
    monkeypatch.setattr(pair_space, "BLOCK", 17)
    assert as_set(space) == expected


@pytest.mark.parametrize("wanted", [4, 30])  # drawn and drawn again; listed
def test_every_pair_is_drawn_equally_often(wanted: int) -> None:
    generator = np.random.default_rng(2)
    values, patients = generator.integers(0, 8, 14).astype(float), generator.integers(0, 5, 14)
    space = close_pairs(np.arange(14), values, patients, 3.0)
    count, times = space.count, 1500
    assert count > 32
    seen: Counter[frozenset[int]] = Counter()
    for _ in range(times):
        drawn = [frozenset(pair.tolist()) for pair in space.draw(wanted, generator)]
        assert len(set(drawn)) == wanted
        seen.update(drawn)
    expected = times * wanted / count
    chi_square = sum((seen[pair] - expected) ** 2 / expected for pair in as_set(space)) / (1 - wanted / count)
    assert chi_square < count + 4 * np.sqrt(2 * count)


def test_an_empty_space_gives_no_pairs() -> None:
    space = far_pairs(np.arange(5), np.zeros(5), np.arange(5), 1.0)
    assert space.count == 0
    assert space.draw(3, np.random.default_rng(0)).shape == (0, 2)


def test_a_hundred_thousand_images_need_little_memory() -> None:
    generator = np.random.default_rng(3)
    values, patients = generator.normal(50, 20, 100_000), np.repeat(np.arange(25_000), 4)
    tracemalloc.start()
    space = far_pairs(np.arange(100_000), values, patients, 30.0)
    drawn = space.draw(7500, generator)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert space.count > 10**9
    assert len(np.unique(np.sort(drawn, axis=1), axis=0)) == 7500
    assert (np.abs(values[drawn[:, 0]] - values[drawn[:, 1]]) >= 30).all()
    assert (patients[drawn[:, 0]] != patients[drawn[:, 1]]).all()
    assert peak < 50e6
