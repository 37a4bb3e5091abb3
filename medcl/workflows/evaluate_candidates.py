"""What `medcl evaluate` scores beside each other: sets of features, and baselines on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medcl.evaluation.covariates import Covariate, Covariates
from medcl.evaluation.fits import TRAINING
from medcl.evaluation.pooled import FeatureRows
from medcl.study.errors import BadInput
from medcl.workflows.evaluate_pixels import pixel_features
from medcl.workflows.evaluate_target import exam_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcl.study.cohort import Cohort
    from medcl.study.folder import Study
    from medcl.workflows.evaluate import EvaluateOptions
    from medcl.workflows.evaluate_tables import FeatureSet
    from medcl.workflows.evaluate_target import Target

Role = Literal["features", "baseline"]

GUESS = {"numeric": "mean", "categorical": "most frequent class", "survival": "the same risk for all"}
"""What is told without looking at anything, by the kind of the target."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One thing to be scored.

    Attributes:
        name: for the table.
        role: a set of features, or a baseline.
        of: the set whose rows it has.
        rows: what is read.
        constant: whether nothing is read.
    """

    name: str
    role: Role
    of: FeatureSet
    rows: FeatureRows
    constant: bool = False


@dataclass(frozen=True)
class Candidates:
    """All of an evaluation, and sentences about baselines that could not be made."""

    every: tuple[Candidate, ...]
    said: tuple[str, ...]


def candidates(
    study: Study, cohort: Cohort, sets: Sequence[FeatureSet], target: Target, options: EvaluateOptions
) -> Candidates:
    """The sets of features and the baselines that the options ask for; rows that are equal share their baselines.

    Raises:
        BadInput: a covariate is unknown or the target itself, or a baseline that was asked for cannot be made.
    """
    adjust = _variables(cohort, options.adjust, "--adjust", target)
    clinical = _variables(cohort, options.clinical_features, "--clinical-features", target)
    found: list[Candidate] = []
    for each in sets:
        name = each.name + (f" + {', '.join(adjust)}" if adjust else "")
        found.append(Candidate(name, "features", each, _rows(name, each, each.exams.features, cohort, adjust)))
    groups: dict[Any, FeatureSet] = {}
    for each in sets:
        groups.setdefault(each.rows, each)
    said: list[str] = []
    for first in groups.values():
        suffix = f" (rows of {first.name})" if len(groups) > 1 else ""
        made, told = _baselines(study, first, (cohort, target, options), adjust, clinical)
        found += [
            replace(each, name=each.name + suffix, rows=replace(each.rows, name=each.name + suffix)) for each in made
        ]
        said += told
    return Candidates(tuple(found), tuple(dict.fromkeys(said)))


def _baselines(
    study: Study,
    of: FeatureSet,
    chosen: tuple[Cohort, Target, EvaluateOptions],
    adjust: Sequence[str],
    clinical: Sequence[str],
) -> tuple[list[Candidate], list[str]]:
    cohort, target, options = chosen
    nothing = np.empty((len(of.exams), 0))
    found: list[Candidate] = []
    said: list[str] = []
    if "mean" in options.baselines:
        name = GUESS[target.kind]
        found.append(Candidate(name, "baseline", of, _rows(name, of, nothing, cohort, ()), True))
    wanted = [tuple(adjust)] if adjust else []  # what features add to covariates is told beside the covariates alone
    if "clinical" in options.baselines:
        wanted.append(tuple(clinical))
        if not clinical and not adjust:
            said.append("No clinical baseline: name its variables with --clinical-features.")
    for names in dict.fromkeys(each for each in wanted if each):
        name = f"clinical: {', '.join(names)}"
        found.append(Candidate(name, "baseline", of, _rows(name, of, nothing, cohort, names)))
    if "pixels" in options.baselines:
        try:
            pixels, told = pixel_features(study, of, _training(of), options)
            name = "pixels, principal components"
            found.append(Candidate(name, "baseline", of, _rows(name, of, pixels, cohort, ())))
            said += told
        except BadInput as error:
            if "baselines" in options.model_fields_set:
                raise
            told_why = str(error).replace(f"{study.root}/", "")  # a page is given to others
            said.append(f"No baseline of pixels: {told_why}")
    return found, said


def _training(of: FeatureSet) -> NDArray[np.bool_]:
    return np.asarray(np.isin(of.exams.splits, TRAINING), dtype=np.bool_)


def _rows(name: str, of: FeatureSet, features: NDArray[Any], cohort: Cohort, names: Sequence[str]) -> FeatureRows:
    columns = []
    for variable in (cohort.variable(each) for each in names):
        values, _ = exam_values(cohort, variable)
        missing: Any = np.nan if variable.kind == "numeric" else ""
        column = np.array([values.get(exam, missing) for exam in of.keys])
        columns.append(Covariate(variable.name, variable.kind, column))
    beside = Covariates.of(columns, len(of.exams)) if columns else None
    return FeatureRows(name, features, of.exams.patients, of.encoders, of.names, beside)


def _variables(cohort: Cohort, names: Sequence[str], option: str, target: Target) -> list[str]:
    """The canonical names."""
    found = list(dict.fromkeys(cohort.variable(name).name for name in names))
    if own := [name for name in found if name.partition("@")[0] in target.variables or name in target.variables]:
        raise BadInput(f"{option} {', '.join(own)}: the target itself, which nothing may be told of. Leave it out.")
    if "patient" in found:
        raise BadInput(f"{option} patient: a patient's name tells nothing of others. Leave it out.")
    return found
