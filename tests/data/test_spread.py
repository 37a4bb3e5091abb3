"""Orders in which slices of one image stand apart."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.data.spread import in_turns, spread

IMAGES = np.repeat(np.arange(20), np.random.default_rng(0).integers(5, 15, 20))
ROWS = np.flatnonzero(IMAGES != 7)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_images_alone_are_a_plain_permutation() -> None:
    np.testing.assert_array_equal(spread(ROWS, None, generator()), generator().permutation(ROWS))


@pytest.mark.parametrize("order", [spread, in_turns])
def test_every_row_stands_there_once_in_an_order_of_the_seed(order: object) -> None:
    first = order(ROWS, IMAGES, generator())  # type: ignore[operator]
    assert sorted(first) == ROWS.tolist()
    np.testing.assert_array_equal(first, order(ROWS, IMAGES, generator()))  # type: ignore[operator]
    assert not np.array_equal(first, order(ROWS, IMAGES, generator(1)))  # type: ignore[operator]


def closest(order: np.ndarray) -> int:
    """Fewest steps between two slices of one image."""
    places = [np.flatnonzero(IMAGES[order] == image) for image in np.unique(IMAGES[order])]
    return min(int(np.diff(place).min()) for place in places)


def test_slices_of_an_image_stand_apart_where_a_permutation_puts_them_together() -> None:
    largest = np.bincount(IMAGES).max()
    for seed in range(20):
        assert closest(spread(ROWS, IMAGES, generator(seed))) > len(ROWS) / largest / 2
        assert closest(generator(seed).permutation(ROWS)) <= 2


def test_in_turns_takes_a_slice_of_every_image_first() -> None:
    order = IMAGES[in_turns(ROWS, IMAGES, generator())]
    assert len(set(order[:19])) == len(set(order[19:38])) == 19


def test_nothing_to_spread() -> None:
    assert spread(np.empty(0, np.int64), IMAGES, generator()).tolist() == []
