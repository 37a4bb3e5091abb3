"""The bit-wise conversion is NumPy's, for every number in [0, 1]."""

from __future__ import annotations

import numpy as np

from medcl.imaging.half import from_half, to_half

ONE = int(np.float16(1).view(np.uint16))
HALVES = np.arange(ONE + 1, dtype=np.uint16).view(np.float16)[None]


def test_all_float16_numbers_go_there_and_back() -> None:
    out = np.empty(HALVES.shape, np.float32)
    assert from_half(HALVES, out) is out
    np.testing.assert_array_equal(out, HALVES.astype(np.float32))
    np.testing.assert_array_equal(to_half(out), HALVES)


def test_rounding_is_that_of_numpy_at_and_beside_every_tie() -> None:
    wide = HALVES.astype(np.float32)
    ties = (wide[:, 1:] + wide[:, :-1]) / 2  # exact: a float32 has 13 bits more
    numbers = np.concatenate([ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(1))], axis=1)
    full = numbers >= np.finfo(np.float16).smallest_normal
    assert full.sum() > 40_000
    np.testing.assert_array_equal(to_half(numbers)[full], numbers[full].astype(np.float16))
    small = numbers[~full][None]
    off = np.abs(to_half(small).astype(np.float64) - small.astype(np.float16).astype(np.float64))
    assert off.max() <= np.finfo(np.float16).smallest_subnormal
    drawn = np.random.default_rng(0).random((20, 10_000), np.float32)
    np.testing.assert_array_equal(to_half(drawn), drawn.astype(np.float16))


def test_the_input_stays() -> None:
    numbers = np.array([[0.1, 0.9]], np.float32)
    to_half(numbers)
    np.testing.assert_array_equal(numbers, np.array([[0.1, 0.9]], np.float32))
