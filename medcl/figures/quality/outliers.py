"""Which images differ from their cohort: robust z-scores, which a few odd images cannot move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OUTLIER = 3.5
"""Robust z-score from which on an image is an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers,
1993)."""

MAD_TO_DEVIATION = 1.4826
"""Median absolute deviation of a normal distribution times this is its standard deviation."""

FEWEST = 8
"""Images below which a group has no median to be trusted (ours)."""


def robust_scores(
    values: NDArray[np.float64], least: NDArray[np.float64], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Distance of each value from the median of its group, in robust standard deviations.

    Images of a group with fewer than FEWEST are compared with all images; where these are fewer too, scores are 0.

    Args:
        values: (N, S), one column a statistic; rows of NaN stay out and get 0.
        least: (S,) smallest standard deviations to be used.
        groups: (N,) names of what may be compared, such as modality and sequence.

    Returns:
        (N, S), above 0 where a value is above the median.
    """
    scores = np.zeros_like(values)
    known = ~np.isnan(values).any(axis=1)
    names = np.array(groups, dtype=object)
    for name in dict.fromkeys(groups):
        mine = known & (names == name)
        compared = values[mine] if mine.sum() >= FEWEST else values[known]
        if len(compared) >= FEWEST:
            median = np.median(compared, axis=0)
            spread = MAD_TO_DEVIATION * np.median(np.abs(compared - median), axis=0)
            scores[mine] = (values[mine] - median) / np.maximum(spread, least)
    return scores
