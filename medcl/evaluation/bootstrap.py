"""Confidence intervals by drawing patients, not rows, with replacement (Efron's percentile interval).

The images of one patient resemble each other; drawing images as if they were independent would give
intervals that are too narrow. All rows of a drawn patient count, as often as the patient is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medcl.evaluation.scores import Score, Values
from medcl.study.errors import BadInput

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A score with its interval.

    Attributes:
        value: over all rows as they are.
        low, high: the interval's ends.
        level: its coverage, 0.95 unless told.
        draws: of the bootstrap, those that counted.
        undefined: draws left out because the score does not exist for them (a constant truth, say).
        patients: how many were drawn from.
        p: of a difference, two-sided, that it is 0: twice the share of draws on the other side of 0, the value itself
            counted as a draw (Davison and Hinkley, Bootstrap Methods, 1997); NaN of a score.
    """

    value: float
    low: float
    high: float
    level: float
    draws: int
    undefined: int
    patients: int
    p: float = float("nan")


def bootstrap(
    score: Score,
    truth: Values,
    predicted: Values,
    patients: Sequence[str] | Values,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """The interval of one score; truth, predicted and patients are (N,).

    Raises:
        BadInput: fewer than two patients, or a score that is defined for hardly any draw.
    """
    return _interval(lambda rows: score(truth[rows], predicted[rows]), patients, draws, level, seed)


def bootstrap_difference(
    score: Score,
    truth: Values,
    first: Values,
    second: Values,
    patients: Sequence[str] | Values,
    *,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """The interval of `score(first) - score(second)`, paired: both are scored on the same drawn patients.

    Patients are drawn, not encoders or probes trained again: it tells of other patients, not of other trainings.
    """

    def difference(rows: npt.NDArray[np.int64]) -> float:
        return score(truth[rows], first[rows]) - score(truth[rows], second[rows])

    return _interval(difference, patients, draws, level, seed, tested=True)


def _interval(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    patients: Sequence[str] | Values,
    draws: int,
    level: float,
    seed: int,
    tested: bool = False,
) -> Interval:
    names, group = np.unique(np.asarray(patients), return_inverse=True)
    if len(names) < 2:
        raise BadInput(f"an interval by patient needs at least 2 patients, found {len(names)}.")
    rows_of = [np.flatnonzero(group == place) for place in range(len(names))]
    generator = np.random.default_rng(seed)
    values = np.array(
        [
            statistic(np.concatenate([rows_of[place] for place in generator.integers(0, len(names), len(names))]))
            for _ in range(draws)
        ]
    )
    known = values[np.isfinite(values)]
    if len(known) < draws / 2:
        raise BadInput(
            f"the score is undefined in {draws - len(known)} of {draws} bootstrap draws of {len(names)} "
            "patients: "
            "too few patients with differing values to give an interval."
        )
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    value = statistic(np.arange(len(group)))
    p = _two_sided(known) if tested else float("nan")
    return Interval(value, float(low), float(high), level, len(known), draws - len(known), len(names), p)


def _two_sided(differences: npt.NDArray[np.float64]) -> float:
    fewer = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (fewer + 1) / (len(differences) + 1)))
