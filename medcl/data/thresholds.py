"""When two patients' values count as alike or as different, stage by stage of the curriculum.

A pair is positive when |dv| < t_pos, negative when |dv| >= t_neg and not used in between. Milecki et al.
(MIDL 2022) make both stricter as training goes on; their public code has (5, 30), (10, 20) and (10, 15)
mL/min/1.73 m2 for GFR, in stages of equal length.

For other numeric variables (ours) the thresholds are quantiles of |dv| over the pairs of different training
patients: those that GFR's thresholds are among the Leuven readings at one year.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.data.differences import Differences
from medcl.study.errors import BadInput

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PAPER_THRESHOLDS = {"gfr": "5,30 10,20 10,15"}
"""By canonical name of the variable, in its canonical unit (mL/min/1.73 m2)."""

AUTO_QUANTILES = ((0.16, 0.76), (0.31, 0.57), (0.31, 0.45))
"""For each stage, the quantiles of |dv| that become t_pos and t_neg."""

TIED = 0.05
"""A realised share of pairs this far from the quantile that was aimed at is reported."""


@dataclass(frozen=True)
class Stage:
    """One stage's thresholds, in the variable's unit.

    Attributes:
        positive_below: t_pos; 0 means that only equal values are positive.
        negative_from: t_neg, above 0 and not below t_pos.
    """

    positive_below: float
    negative_from: float

    def reach(self, slack: float) -> float:
        """Return the largest |dv| of a positive pair; `slack` is the tolerance in the variable's unit."""
        return self.positive_below - slack if self.positive_below > slack else slack

    def distance(self, slack: float) -> float:
        """Return the smallest |dv| of a negative pair."""
        return self.negative_from - slack

    def __str__(self) -> str:
        return f"{self.positive_below:g},{self.negative_from:g}"


def parse_thresholds(text: str) -> tuple[Stage, ...]:
    """Return the stages of `--thresholds "5,30 10,20 10,15"` (t_pos,t_neg of each stage).

    Raises:
        BadInput: naming every stage that cannot be used.
    """
    problems, stages = [], []
    for number, part in enumerate(re.split(r"[\s;]+", text.strip()), start=1):
        try:
            positive, negative = (float(each) for each in part.split(","))
        except ValueError:
            problems.append(f"stage {number} reads '{part}'; expected two numbers t_pos,t_neg such as 5,30")
            continue
        stages.append(Stage(positive, negative))
        if not (math.isfinite(positive) and math.isfinite(negative)):
            problems.append(f"stage {number} ({part}): thresholds must be finite numbers")
        elif positive < 0 or negative <= 0:
            problems.append(f"stage {number} ({part}): t_pos must be 0 or more and t_neg above 0")
        elif positive > negative:
            problems.append(f"stage {number} ({part}): t_pos is above t_neg, so pairs would be both; swap them")
    if problems:
        raise BadInput([f"--thresholds: {each}." for each in problems])
    return tuple(stages)


def auto_thresholds(values: Floats, patients: Ints) -> tuple[tuple[Stage, ...], list[str]]:
    """Return the stages at `AUTO_QUANTILES` of |dv|, and what ties among the values do to them.

    Args:
        values: (n,) of training images, none missing.
        patients: (n,) numbers of their patients; pairs within a patient do not count.
    """
    differences = Differences(values, patients)
    stages, notes = [], []
    for low, high in AUTO_QUANTILES:
        positive, negative = differences.quantile(low), differences.quantile(high)
        if negative == 0:
            negative = differences.smallest_above_zero()
            notes.append(
                f"more than {high:.0%} of the pairs have equal values: their quantile is 0, so the smallest "
                f"difference there is ({negative:g}) separates negatives"
            )
        stage = Stage(positive, negative)
        stages.append(stage)
        share = differences.share_within(stage.reach(differences.slack))
        rest = 1 - differences.share_within(np.nextafter(stage.distance(differences.slack), 0))
        if abs(share - low) > TIED or abs(rest - (1 - high)) > TIED:
            notes.append(
                f"ties among the values: at {stage} {share:.0%} of the pairs are positive and {rest:.0%} "
                f"negative (aimed at {low:.0%} and {1 - high:.0%})"
            )
    return tuple(stages), notes
