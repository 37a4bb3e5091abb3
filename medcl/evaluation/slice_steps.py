"""Whether a translation flickers: how much it changes from slice to slice, beside its source."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def slice_steps(source: Floats, translated: Floats) -> float | None:
    """Mean absolute difference of neighbouring slices of the translation, divided by that of the source.

    1 where a translation keeps the source's intensities. A contrast that is stretched raises it as well as slices that
    are each brought to a level of their own, so that it compares ways of translating one volume and no two contrasts.

    Args:
        source, translated: (Z, Y, X) of one shape, slices in the order in which they lie.

    Returns:
        The ratio; None of a single slice, or where the source's slices are all equal.
    """
    if len(source) < 2:
        return None
    before = _step(source)
    return _step(translated) / before if before > 0 else None


def _step(volume: Floats) -> float:
    return float(np.mean([np.abs(after - before).mean(dtype=np.float64) for before, after in pairwise(volume)]))
