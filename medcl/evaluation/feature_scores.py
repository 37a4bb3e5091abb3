"""The scores of one set of features: two fits side by side, each with intervals by patient and a permutation p."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.evaluation.bootstrap import DRAWS, LEVEL, Interval, bootstrap
from medcl.evaluation.class_predictions import text_labels
from medcl.evaluation.fits import NESTED_FOLDS, Fit, nested_fits
from medcl.evaluation.held_out import Fit as FitProbe
from medcl.evaluation.held_out import missing
from medcl.evaluation.permutation import HITS, PERMUTATIONS, Permuted, permutation_test
from medcl.evaluation.pooled import FeatureRows, Pooled, pooled_predictions
from medcl.evaluation.probe import Values, fit_probe
from medcl.evaluation.scores import SCORES_OF, Kind
from medcl.study.errors import BadInput

FittedOn = Literal["training patients", "held-out patients"]


@dataclass(frozen=True, eq=False)
class FeatureScores:
    """One row of the table of an evaluation.

    Attributes:
        name: of the features.
        fitted_on: the encoder's training patients, or the other held-out ones (nested).
        scores: by name; {} where there is no result.
        permuted: the test of the main score; None where it was not asked for.
        pooled: what was scored; None where there is no result.
        seen: whether scored patients were in the encoder's training.
        reason: why there is no result; "" where there is one.
    """

    name: str
    fitted_on: FittedOn
    scores: dict[str, Interval]
    permuted: Permuted | None
    pooled: Pooled | None
    seen: bool
    reason: str = ""


@dataclass(frozen=True)
class Drawn:
    """How much is drawn, and from which seed; 0 permutations leave the test out."""

    draws: int = DRAWS
    level: float = LEVEL
    permutations: int = PERMUTATIONS
    hits: int = HITS
    nested_folds: int = NESTED_FOLDS
    seed: int = 0


def score_features(
    rows: FeatureRows,
    target: Values,
    fits: Sequence[Fit],
    *,
    kind: Kind,
    drawn: Drawn | None = None,
    fit: FitProbe = fit_probe,
    strata: npt.NDArray[Any] | None = None,
    **settings: Any,
) -> list[FeatureScores]:
    """Score a set of features by the fits given and by fits inside the held-out patients alone.

    Args:
        rows, target, kind, fit: see `pooled_predictions`.
        fits: see `fits_by_encoder`, `fits_by_site`; of `fits_of_seen` only the nested ones are scored.
        drawn: of bootstrap, permutations and nested parts.
        strata: (N,) of the permutations.
        settings: of the probe (method="linear" or "knn").

    Returns:
        The row of the training patients, then that of the held-out ones; where one cannot be had, it says why.

    Raises:
        BadInput: neither can be had.
    """
    told = drawn or Drawn()
    settings = {"seed": told.seed, **settings}
    found: list[FeatureScores] = []
    sides: tuple[FittedOn, ...] = ("training patients", "held-out patients")
    for side in sides:
        seen = any(each.seen for each in fits)
        try:
            chosen = fits if side == sides[0] else _nested(fits, rows, target, kind, told)
            if side == sides[0] and not any(len(each.training) for each in fits):
                raise BadInput("there are no training patients of this encoder among the rows.")
            pooled = pooled_predictions(rows, target, chosen, kind=kind, fit=fit, **settings)
            scores = score_pooled(pooled, draws=told.draws, level=told.level, seed=told.seed)
            permuted = None
            if told.permutations:
                permuted = permutation_test(
                    pooled,
                    rows,
                    target,
                    permutations=told.permutations,
                    hits=told.hits,
                    strata=strata,
                    seed=told.seed,
                )
            found.append(FeatureScores(rows.name, side, scores, permuted, pooled, seen))
        except BadInput as error:
            found.append(FeatureScores(rows.name, side, {}, None, None, seen, str(error)))
    if all(each.reason for each in found):
        raise BadInput(f"{rows.name} cannot be scored. {found[0].reason} And {found[1].reason}")
    return found


def score_pooled(pooled: Pooled, *, draws: int = DRAWS, level: float = LEVEL, seed: int = 0) -> dict[str, Interval]:
    """All scores of the target's kind, each with its interval by patient.

    Raises:
        BadInput: fewer than two patients, or a score that is defined for hardly any draw.
    """
    return {
        name: bootstrap(score, pooled.truth, pooled.predicted, pooled.patients, draws=draws, level=level, seed=seed)
        for name, score in SCORES_OF[pooled.kind].items()
    }


def _nested(fits: Sequence[Fit], rows: FeatureRows, target: Values, kind: Kind, told: Drawn) -> list[Fit]:
    """Parts of the held-out rows with a target and all covariates, with classes or events spread over them."""
    if kind == "categorical":
        strata = text_labels(target)
    elif kind == "survival":
        strata = np.where(target[:, 1] > 0, "event", "none")
    else:
        strata = np.full(len(target), "one")
    unknown = missing(target, kind)
    if rows.covariates is not None:
        unknown |= rows.covariates.missing()
    strata = np.where(unknown, "", strata)
    return nested_fits(fits, rows.patients, strata=strata, folds=told.nested_folds, seed=told.seed)
