"""Time to an event as two classes: whether it comes within a horizon."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.study.errors import BadInput

WITHIN, LATER = "event", "no event"


def event_classes(target: npt.NDArray[Any], horizon: float) -> tuple[npt.NDArray[np.str_], int]:
    """(N,) "event", "no event", or "" where that is not known, and how many rows are "" because follow-up ended before.

    Such rows are left out, not taken for either: where follow-up ends for reasons that have to do with the event, the
    classes are no fair sample, and the Cox probe, which keeps these rows, is the better question.

    Args:
        target: (N, 2) time, and 1 for the event or 0 for the end of follow-up; NaN where missing.
        horizon: in the unit of the times; an event at the horizon is within it.

    Raises:
        BadInput: a horizon that is not above 0.
    """
    if not horizon > 0:
        raise BadInput(f"--horizon must be above 0, got {horizon:g}.")
    time, event = target[:, 0].astype(np.float64), target[:, 1].astype(np.float64)
    known = ~(np.isnan(time) | np.isnan(event))
    within = known & (event > 0) & (time <= horizon)
    later = known & ~within & ((time > horizon) | ((time == horizon) & (event == 0)))
    words = np.where(within, WITHIN, np.where(later, LATER, ""))
    return words.astype(np.str_), int((known & ~within & ~later).sum())
