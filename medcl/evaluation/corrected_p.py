"""p-values of several variables, corrected for there being several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Correction = Literal["holm", "benjamini-hochberg"]


def corrected_p(p_values: Sequence[float], correction: Correction = "holm") -> list[float]:
    """The corrected values, in the order given; NaN stays NaN and does not count as a test.

    Args:
        p_values: one a variable; NaN where there was no test.
        correction: "holm" bounds the chance of any false finding (Holm, Scand J Stat 1979), "benjamini-hochberg" the
            expected share of false ones among the findings (J R Stat Soc B 1995).
    """
    from scipy.stats import false_discovery_control

    values = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    found = np.full(len(values), np.nan)
    if correction == "benjamini-hochberg":
        found[known] = false_discovery_control(values[known]) if len(known) else []
        return [float(value) for value in found]
    order = known[np.argsort(values[known], kind="stable")]
    # the smallest times the number of tests, the next times one fewer, ...; never below one before it
    steps = values[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else []
    return [float(value) for value in found]
