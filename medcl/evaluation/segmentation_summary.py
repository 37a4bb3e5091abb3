"""Segmentation metrics of many cases together: mean, spread, median and an interval by patient, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.evaluation.bootstrap import DRAWS, bootstrap
from medcl.evaluation.segmentation import METRICS, ClassScores

OVER_CLASSES = "mean over classes"
"""The name of what is taken over a case's classes first, then over cases."""


@dataclass(frozen=True)
class Spread:
    """One metric of one class over the cases in which it is defined; NaN where there are too few.

    Attributes:
        cases, patients: how many it is of.
        mean, median: over the cases.
        deviation: sample standard deviation over the cases; NaN of fewer than two.
        low, high: 95% bootstrap interval of the mean, patients drawn; NaN of fewer than two patients.
    """

    cases: int
    patients: int
    mean: float
    deviation: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassSummary:
    """One class, or the mean over the classes.

    Attributes:
        name: of the class, or OVER_CLASSES.
        value: in the masks; None for the mean over classes.
        cases: all, the undefined ones too.
        truth_empty, prediction_empty: cases in which only this mask has no voxel of it: Dice 0, the image's diagonal.
        both_empty: cases in which it is in neither mask, which are left out of the means.
        spreads: by name of METRICS.
    """

    name: str
    value: int | None
    cases: int
    truth_empty: int
    prediction_empty: int
    both_empty: int
    spreads: dict[str, Spread]


def summarise(
    scores: Sequence[Sequence[ClassScores]],
    patients: Sequence[str],
    classes: Sequence[tuple[int, str]],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> list[ClassSummary]:
    """Each class over all cases, and last the mean over the classes.

    Args:
        scores: of each case, one for each class.
        patients: of each case.
        classes: value and name.
        seed, draws: of the bootstrap.
    """
    columns: list[list[ClassScores]] = [[case[place] for case in scores] for place in range(len(classes))]
    people = np.array(patients, dtype=object)
    found = [
        _summary(name, value, [column], people, (seed, draws))
        for (value, name), column in zip(classes, columns, strict=True)
    ]
    return [*found, _summary(OVER_CLASSES, None, columns, people, (seed, draws))]


def over_classes(scores: Sequence[ClassScores]) -> dict[str, float]:
    """The mean over the classes of a case that are defined, by name of METRICS; NaN where none is."""
    found = {name: [each.values[name] for each in scores if each.empty != "both"] for name in METRICS}
    return {name: float(np.mean(values)) if values else float("nan") for name, values in found.items()}


def _summary(
    name: str,
    value: int | None,
    columns: Sequence[Sequence[ClassScores]],
    patients: NDArray[Any],
    drawn: tuple[int, int],
) -> ClassSummary:
    empty = Counter(each.empty for column in columns for each in column)
    rows = [over_classes(case) for case in zip(*columns, strict=True)]
    spreads = {
        metric: _spread(np.array([row[metric] for row in rows], dtype=np.float64), patients, drawn)
        for metric in METRICS
    }
    return ClassSummary(name, value, len(rows), empty["truth"], empty["prediction"], empty["both"], spreads)


def _spread(values: NDArray[np.float64], patients: NDArray[Any], drawn: tuple[int, int]) -> Spread:
    known = np.isfinite(values)
    values, patients = values[known], patients[known]
    people = len(set(patients.tolist()))
    nothing = float("nan")
    if not len(values):
        return Spread(0, 0, nothing, nothing, nothing, nothing, nothing)
    low = high = nothing
    if people > 1:
        interval = bootstrap(_mean, values, values, patients, seed=drawn[0], draws=drawn[1])
        low, high = interval.low, interval.high
    deviation = float(values.std(ddof=1)) if len(values) > 1 else nothing
    return Spread(len(values), people, float(values.mean()), deviation, float(np.median(values)), low, high)


def _mean(values: NDArray[np.float64], _: NDArray[np.float64]) -> float:
    return float(values.mean())
