"""Paired comparisons of feature sets on the same held-out cases, corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medcl.evaluation.bootstrap import DRAWS, LEVEL, Interval, bootstrap_difference
from medcl.evaluation.corrected_p import Correction, corrected_p
from medcl.evaluation.pooled import Pooled
from medcl.evaluation.scores import MAIN_SCORE, SCORES_OF
from medcl.study.errors import BadInput


@dataclass(frozen=True)
class Comparison:
    """One pair.

    Attributes:
        first, second: names of the sets.
        score: that is compared.
        difference: score of the first less that of the second, with interval and p, by drawing patients.
        p_corrected: over all comparisons made together.
        cases, patients: that both predict.
        left_out: cases that only one of them predicts.
    """

    first: str
    second: str
    score: str
    difference: Interval
    p_corrected: float
    cases: int
    patients: int
    left_out: int


def compare(
    sets: dict[str, Pooled],
    pairs: Sequence[tuple[str, str]],
    *,
    score: str | None = None,
    correction: Correction = "holm",
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> list[Comparison]:
    """Compare pairs of sets.

    Args:
        sets: pooled predictions of one target, by name.
        pairs: of names; every pair counts in the correction.
        score: of `SCORES_OF`; the main one unless told.
        correction: see `corrected_p`.
        draws, level, seed: of the bootstrap.

    Raises:
        BadInput: a pair of different targets or without a common case, or a score that is defined for hardly any draw.
    """
    found = [_compared(first, second, sets, score, (draws, level, seed)) for first, second in pairs]
    corrected = corrected_p([each.difference.p for each in found], correction)
    return [replace(each, p_corrected=p) for each, p in zip(found, corrected, strict=True)]


def _compared(
    first: str, second: str, sets: dict[str, Pooled], score: str | None, told: tuple[int, float, int]
) -> Comparison:
    a, b = sets[first], sets[second]
    common, in_a, in_b = np.intersect1d(a.cases, b.cases, return_indices=True)
    if a.kind != b.kind or a.classes != b.classes or not np.array_equal(a.truth[in_a], b.truth[in_b]):
        raise BadInput(f"{first} and {second} are not of the same target: they cannot be compared.")
    if not len(common):
        raise BadInput(f"{first} and {second} predict no case in common: they cannot be compared.")
    name = score or MAIN_SCORE[a.kind]
    draws, level, seed = told
    difference = bootstrap_difference(
        SCORES_OF[a.kind][name],
        a.truth[in_a],
        a.predicted[in_a],
        b.predicted[in_b],
        a.patients[in_a],
        draws=draws,
        level=level,
        seed=seed,
    )
    left_out = len(a.cases) + len(b.cases) - 2 * len(common)
    return Comparison(first, second, name, difference, float("nan"), len(common), difference.patients, left_out)
