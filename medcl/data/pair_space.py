"""All pairs of a kind, counted and drawn without ever listing them.

The images are put in an order in which the partners of each stand in one run: sorted by value, the partners
of image i at a difference of at least t are all images from some position on. Then counting is a sum, drawing
a pair is drawing a number, and memory grows with the number of images, not of pairs: 10^5 images hold 5 *
10^9 pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BLOCK = 1 << 20
"""Pairs that are listed at a time."""

LIST_BELOW = 4
"""Where a space holds less than this many times the wanted pairs, all are listed; else drawn and drawn again."""


@dataclass(frozen=True, eq=False)
class PairSpace:
    """The pairs (i, j) of positions with start[i] <= j < stop[i].

    Attributes:
        rows: (n,) the image at each position.
        start, stop: (n,) partners of each position, all behind it.
        patients: (n,) numbers of patients; pairs within a patient do not belong. None: they do.
    """

    rows: Ints
    start: Ints
    stop: Ints
    patients: Ints | None = None

    @property
    def listed(self) -> int:
        """How many pairs the runs of partners hold, those within a patient included."""
        return int((self.stop - self.start).sum())

    @property
    def count(self) -> int:
        """How many pairs belong to the space."""
        if self.patients is None or not len(self.rows):
            return self.listed
        width = len(self.rows) + 1
        mine = self.patients * width
        places = np.sort(mine + np.arange(len(self.rows)))
        within = np.searchsorted(places, mine + self.stop) - np.searchsorted(places, mine + self.start)
        return self.listed - int(within.sum())

    def blocks(self) -> Iterator[Ints]:
        """Yield all pairs, (K, 2) rows at a time, in a fixed order."""
        ends = np.cumsum(self.stop - self.start)
        for first in range(0, self.listed, BLOCK):
            pairs = self._pairs(np.arange(first, min(first + BLOCK, self.listed)), ends)
            if len(pairs):
                yield pairs

    def draw(self, wanted: int, generator: np.random.Generator) -> Ints:
        """Return `wanted` different pairs, or all when there are fewer, (K, 2) rows in random order.

        Every set of pairs is equally likely.
        """
        count = self.count
        if count == 0 or wanted <= 0:
            return np.empty((0, 2), np.int64)
        if count < LIST_BELOW * wanted:
            pairs = np.concatenate(list(self.blocks()))
            return pairs[generator.permutation(len(pairs))[:wanted]]
        return self._draw_again(wanted, count, generator)

    def _draw_again(self, wanted: int, count: int, generator: np.random.Generator) -> Ints:
        """Draw numbers of pairs and leave out what does not belong or was there before, until enough are left."""
        ends, listed = np.cumsum(self.stop - self.start), self.listed
        drawn = np.empty(0, np.int64)
        while True:
            missing = wanted - len(drawn)
            number = generator.integers(0, listed, size=int(1.5 * missing * listed / count) + 16)
            drawn = np.concatenate([drawn, number[self._belongs(number, ends)]])
            drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]  # the first of equal ones stays
            if len(drawn) >= wanted:
                return self._pairs(drawn[:wanted], ends)

    def _positions(self, number: Ints, ends: Ints) -> tuple[Ints, Ints]:
        first = np.searchsorted(ends, number, side="right")
        before = ends[first] - (self.stop[first] - self.start[first])
        return first, self.start[first] + (number - before)

    def _belongs(self, number: Ints, ends: Ints) -> NDArray[np.bool_]:
        if self.patients is None:
            return np.ones(len(number), bool)
        first, second = self._positions(number, ends)
        different: NDArray[np.bool_] = self.patients[first] != self.patients[second]
        return different

    def _pairs(self, number: Ints, ends: Ints) -> Ints:
        first, second = self._positions(number, ends)
        if self.patients is not None:
            keep = self.patients[first] != self.patients[second]
            first, second = first[keep], second[keep]
        return np.stack([self.rows[first], self.rows[second]], axis=1)


def close_pairs(rows: Ints, values: Floats, patients: Ints, reach: float) -> PairSpace:
    """Return the pairs of different patients whose values differ by at most `reach`.

    Args:
        rows: (n,) images.
        values, patients: (n,) of those images.
        reach: in the values' unit.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    start = np.arange(1, len(rows) + 1)
    stop = np.maximum(np.searchsorted(ordered, ordered + reach, side="right"), start)
    return PairSpace(rows[order], start, stop, patients[order])


def far_pairs(rows: Ints, values: Floats, patients: Ints, distance: float) -> PairSpace:
    """Return the pairs of different patients whose values differ by `distance` (above 0) or more."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    start = np.searchsorted(ordered, ordered + distance, side="left").astype(np.int64)
    return PairSpace(rows[order], start, np.full(len(rows), len(rows)), patients[order])


def pairs_within(rows: Ints, outer: Ints, inner: Ints | None = None) -> PairSpace:
    """Return the pairs of images of equal `outer` (a patient), and of different `inner` (an exam) where given."""
    inner = np.arange(len(rows)) if inner is None else inner
    order = np.lexsort((rows, inner, outer))
    start = _run_end(outer[order], inner[order])
    return PairSpace(rows[order], start, _run_end(outer[order]))


def pairs_between(rows: Ints, groups: Ints) -> PairSpace:
    """Return the pairs of images of different groups (patients)."""
    order = np.lexsort((rows, groups))
    return PairSpace(rows[order], _run_end(groups[order]), np.full(len(rows), len(rows)))


def _run_end(*ordered: Ints) -> Ints:
    """For each place of sorted columns, where the run of equal entries ends."""
    columns = np.stack(ordered)
    changes = np.flatnonzero((columns[:, 1:] != columns[:, :-1]).any(axis=0)) + 1
    ends = np.append(changes, columns.shape[1]).astype(np.int64)
    return ends[np.searchsorted(ends, np.arange(columns.shape[1]), side="right")]
