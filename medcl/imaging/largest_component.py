"""Keeps the largest connected part of every class of a label map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def largest_components(labels: NDArray[Any]) -> NDArray[Any]:
    """The label map with the largest part of each class alone; what the others held becomes background.

    Voxels that share a face, an edge or a corner are connected (26 neighbours). Of parts of one size the first in z, y,
    x order stays.

    Args:
        labels: (Z, Y, X) unsigned integers, 0 background.
    """
    from scipy import ndimage

    result = np.zeros_like(labels)
    neighbours = np.ones((3, 3, 3), np.bool_)
    for value in np.unique(labels):
        if value == 0:
            continue
        window = ndimage.find_objects((labels == value).view(np.int8))[0]
        part = labels[window] == value
        numbered, count = ndimage.label(part, neighbours)
        if count > 1:
            sizes = np.bincount(numbered.ravel())
            sizes[0] = 0
            part = numbered == sizes.argmax()
        result[window][part] = value
    return result
