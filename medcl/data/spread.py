"""Random orders in which the slices of one image stand far apart.

Slices of one image are much alike. Where a batch holds several, a method that repels different images repels what is
nearly the same, and pairs of them teach a pair task nothing; so batches are filled in an order that keeps them apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def spread(rows: Ints, images: Ints | None, generator: np.random.Generator) -> Ints:
    """Return the rows in random order, those of one image evenly spread over it.

    Each image's slices stand at equal distances from a random start, in random order: an image that makes up the k-th
    part of all rows has a slice about every k rows.

    Args:
        rows: (n,) to be ordered.
        images: number of the image of every row there is; None where each row is an image, which gives a plain
            permutation.
        generator: what is drawn from.
    """
    order = generator.permutation(rows)
    if images is None or not len(rows):
        return order
    codes = np.unique(images[order], return_inverse=True)[1]
    counts = np.bincount(codes)
    place = (_turns(codes, counts) + generator.random(len(counts))[codes]) / counts[codes]
    return np.asarray(order[np.argsort(place, kind="stable")])


def in_turns(rows: Ints, images: Ints, generator: np.random.Generator) -> Ints:
    """Return the rows in random order, a first slice of every image before a second one of any.

    Args:
        rows: (n,) to be ordered, at least one.
        images: number of the image of every row there is.
        generator: what is drawn from.
    """
    order = generator.permutation(rows)
    codes = np.unique(images[order], return_inverse=True)[1]
    return np.asarray(order[np.argsort(_turns(codes, np.bincount(codes)), kind="stable")])


def _turns(codes: Ints, counts: Ints) -> Ints:
    """How many rows of its own image stand before each row."""
    turns = np.empty(len(codes), np.int64)
    turns[np.argsort(codes, kind="stable")] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return turns
