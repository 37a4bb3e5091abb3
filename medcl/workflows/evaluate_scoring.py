"""The scores of `medcl evaluate`: every set of features and baseline by every probe, and their comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from medcl.evaluation.comparison import Comparison, compare
from medcl.evaluation.constant_probe import fit_constant
from medcl.evaluation.corrected_p import corrected_p
from medcl.evaluation.feature_scores import Drawn, FeatureScores, score_features
from medcl.evaluation.fits import Fit, fits_by_encoder, fits_by_site, fits_of_seen
from medcl.evaluation.probe import fit_probe
from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.workflows.evaluate_target import exam_values
from medcl.workflows.progress import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.evaluation.pooled import Pooled
    from medcl.study.cohort import Cohort
    from medcl.workflows.evaluate import EvaluateOptions
    from medcl.workflows.evaluate_candidates import Candidate
    from medcl.workflows.evaluate_tables import FeatureSet
    from medcl.workflows.evaluate_target import Target

_NOT_TRAINING = (
    "with --allow-seen, training patients are among those that are scored, and nothing is fitted on them alone."
)
_TOO_LARGE = 0.05
"""A least corrected p above which the user is told that no smaller one can come out."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One row of the table.

    Attributes:
        candidate: what was scored.
        probe: linear or knn; "" of a guess that reads nothing.
        found: its scores by one of the two fits, or why there are none.
    """

    candidate: Candidate
    probe: str
    found: FeatureScores


@dataclass(frozen=True)
class Compared:
    """One comparison: by which probe and fit, and what came out."""

    probe: str
    fitted_on: str
    found: Comparison


def score_candidates(
    candidates: Sequence[Candidate], cohort: Cohort, target: Target, options: EvaluateOptions
) -> list[Scored]:
    """Score everything.

    Raises:
        BadInput: an encoder without held-out patients, sites that cannot be left out, or no set of features that can
            be scored.
    """
    fits, strata = {}, {}
    for each in {candidate.of.name: candidate.of for candidate in candidates}.values():
        sites = _sites(cohort, each) if options.leave_site else None
        fits[each.name], strata[each.name] = _fits(each, sites, options), sites
    jobs = [
        (each, probe) for each in candidates for probe in (("",) if each.constant else tuple(options.probe))
    ]  # a guess is the same by every probe
    scored: list[Scored] = []
    with progress("Scoring", len(jobs), unit="sets") as done:
        for candidate, probe in jobs:
            known, groups = fits[candidate.of.name], strata[candidate.of.name]
            scored += _scored(candidate, probe, known, groups, target, options)
            done(1)
    features = [each for each in scored if each.candidate.role == "features"]
    if not any(each.found.scores for each in features):
        raise BadInput(list(dict.fromkeys(each.found.reason for each in features)))
    return scored


def compare_all(scored: Sequence[Scored], options: EvaluateOptions) -> tuple[list[Compared], list[str]]:
    """Each pair of sets of features, and each set against the baselines on its rows.

    p are corrected over the pairs of one probe and one of the two fits, which ask different questions.

    Returns:
        the comparisons, and sentences on pairs that could not be compared.
    """
    every: list[Compared] = []
    said: list[str] = []
    for probe in options.probe:
        for side in ("training patients", "held-out patients"):
            found: list[Compared] = []
            here = [each for each in scored if each.probe in ("", probe) and each.found.fitted_on == side]
            for first, second in combinations([each for each in here if each.found.pooled is not None], 2):
                if not _worth(first, second):
                    continue
                try:
                    found.append(Compared(probe, side, _pair(first, second, options)))
                except BadInput as error:
                    said.append(f"Not compared: {error}")
            corrected = corrected_p([each.found.difference.p for each in found])
            every += [
                replace(each, found=replace(each.found, p_corrected=p))
                for each, p in zip(found, corrected, strict=True)
            ]
            least = 2 * len(found) / (options.bootstrap + 1)
            if least > _TOO_LARGE:
                said.append(
                    f"With {len(found)} comparisons and {counted(options.bootstrap, 'draw')} no corrected p can be "
                    f"below {min(least, 1.0):.2g}: raise --bootstrap to tell smaller ones."
                )
    return every, list(dict.fromkeys(said))


def _worth(first: Scored, second: Scored) -> bool:
    """Whether a pair tells something: two sets of features, or a set and a baseline on its rows."""
    if first.candidate.role == "baseline":
        return False  # baselines stand behind the sets of features
    return second.candidate.role == "features" or first.candidate.of.rows == second.candidate.of.rows


def _pair(first: Scored, second: Scored, options: EvaluateOptions) -> Comparison:
    names = first.candidate.name, second.candidate.name
    sets = {name: each.found.pooled for name, each in zip(names, (first, second), strict=True)}
    known = {name: pooled for name, pooled in sets.items() if pooled is not None}
    if _alike(*known.values()):
        raise BadInput(f"{names[0]} and {names[1]} predict the same of every exam: there is no difference.")
    return compare(known, [names], draws=options.bootstrap, seed=options.seed)[0]


def _alike(first: Pooled, second: Pooled) -> bool:
    """Whether two sets say the same but for rounding, of which a test of their difference would be made."""
    same = np.array_equal(first.cases, second.cases) and first.predicted.shape == second.predicted.shape
    return same and bool(np.allclose(first.predicted, second.predicted, rtol=1e-6, atol=1e-9))


def _fits(of: FeatureSet, sites: NDArray[Any] | None, options: EvaluateOptions) -> list[Fit]:
    table = of.exams
    try:
        if options.allow_seen and of.seen:
            return fits_of_seen(of.encoders, table.splits)
        if sites is not None:
            return fits_by_site(of.encoders, table.splits, table.patients, sites)
        return fits_by_encoder(of.encoders, table.splits)
    except BadInput as error:
        raise BadInput(f"{of.name}: {error}") from error


def _sites(cohort: Cohort, of: FeatureSet) -> NDArray[Any]:
    if not (cohort.frame["site"] != "").any():
        raise BadInput(f"--leave-site: {cohort.file} has no column site: add it, or leave the option out.")
    values, _ = exam_values(cohort, cohort.variable("site"))
    return np.array([values.get(exam, "") for exam in of.keys], dtype=np.str_)


def _scored(
    candidate: Candidate,
    probe: str,
    fits: Sequence[Fit],
    strata: NDArray[Any] | None,
    target: Target,
    options: EvaluateOptions,
) -> list[Scored]:
    if candidate.role == "baseline":  # no encoder, so that nobody was seen
        fits = [replace(fit, seen=False) for fit in fits]
    drawn = Drawn(
        draws=options.bootstrap, permutations=0 if candidate.constant else options.permutations, seed=options.seed
    )
    how: dict[str, Any] = {"fit": fit_constant} if candidate.constant else {"fit": fit_probe, "method": probe}
    try:
        values = target.of(candidate.of.keys)
        found = score_features(candidate.rows, values, fits, kind=target.kind, drawn=drawn, strata=strata, **how)
    except BadInput as error:
        found = [
            FeatureScores(candidate.name, side, {}, None, None, any(fit.seen for fit in fits), str(error))
            for side in ("training patients", "held-out patients")
        ]
    if options.allow_seen and not any(len(fit.training) for fit in fits):
        found = [replace(found[0], reason=_NOT_TRAINING), *found[1:]]
    return [Scored(candidate, probe, each) for each in found]
