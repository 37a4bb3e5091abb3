"""Quantiles of |dv| over all pairs of different patients, without listing the pairs.

How many pairs do not exceed a difference is counted in the sorted values, so a quantile is found by halving
the range of differences until only one is left: exact, in memory that grows with the number of images.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 1e-9
"""Relative to the largest value: 35.3 and 30.3 differ by exactly 5, which floating point misses by 4e-15."""

PRECISION = 1e-3
"""A quantile is found to this part of the tolerance, so that it is right in all digits that are kept."""


def slack_of(values: Floats) -> float:
    """Return the difference below which two of these values count as equal."""
    return TOLERANCE * float(np.abs(values).max(initial=1e-300))


class Differences:
    """|dv| of all pairs of different patients.

    Args:
        values: (n,), none missing.
        patients: (n,) numbers of the patients, at least two different ones.
    """

    def __init__(self, values: Floats, patients: Ints) -> None:
        self.slack = slack_of(values)
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        self._largest = float(self._values[-1] - self._values[0])
        numbers, codes = np.unique(patients[order], return_inverse=True)
        # a patient's images by place: one sorted list for all patients, in which each has its own range
        self._own = codes * (len(values) + 1)
        self._places = np.sort(self._own + np.arange(len(values)))
        self._behind = np.arange(1, len(values) + 1)
        self._before = np.searchsorted(self._places, self._own + self._behind)
        images = np.bincount(codes, minlength=len(numbers))
        self.pairs = (len(values) ** 2 - int((images.astype(np.int64) ** 2).sum())) // 2

    def count_within(self, reach: float) -> int:
        """Return how many pairs differ by at most `reach`."""
        end = np.maximum(np.searchsorted(self._values, self._values + reach, side="right"), self._behind)
        within_patients = np.searchsorted(self._places, self._own + end) - self._before
        return int((end - self._behind).sum() - within_patients.sum())

    def share_within(self, reach: float) -> float:
        """Return the share of pairs that differ by at most `reach`."""
        return self.count_within(reach) / self.pairs

    def quantile(self, q: float) -> float:
        """Return the quantile q, interpolated between neighbouring differences, to nine digits."""
        place = q * (self.pairs - 1)
        whole = math.floor(place)
        below = self._at(whole + 1, 0.0)
        above = below if place == whole else self._at(whole + 2, below)
        return _nine_digits(below + (above - below) * (place - whole))

    def smallest_above_zero(self) -> float:
        """Return the smallest difference between values that are not equal."""
        return _nine_digits(self._at(self.count_within(self.slack) + 1, 0.0))

    def _at(self, place: int, low: float) -> float:
        """The `place`-th smallest difference (from 1), known to be `low` or more."""
        if self.count_within(low + self.slack * PRECISION) >= place:
            return low
        high = self._largest
        while high - low > self.slack * PRECISION:
            middle = (low + high) / 2
            if middle in (low, high):  # neighbours in floating point
                break
            if self.count_within(middle) >= place:
                high = middle
            else:
                low = middle
        return high


def _nine_digits(value: float) -> float:
    """What is printed and saved is what is used."""
    return float(f"{value:.9g}")
