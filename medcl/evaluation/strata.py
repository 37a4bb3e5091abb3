"""What tells the clusters' patients apart, variable by variable, so that a clinician can name the strata.

A patient counts once. Missing values are counted and left out, never filled in. p-values are corrected over the
variables; the effect of each cluster against the rest says which way it differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.corrected_p import Correction, corrected_p
from medcl.evaluation.group_difference import categorical_difference, numeric_difference, rank_biserial
from medcl.evaluation.patient_values import Patients, patients_of
from medcl.evaluation.strata_table import RowVariable, StrataRow, StrataTable, Stratum
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.plural import counted


def strata(
    clusters: npt.NDArray[Any],
    patients: Sequence[str] | npt.NDArray[Any],
    variables: Sequence[RowVariable],
    count: int,
    *,
    correction: Correction = "holm",
    seed: int = 0,
) -> StrataTable:
    """Make the table; notes number the clusters from 1.

    Args:
        clusters: (N,) in 0 ... count - 1.
        patients: (N,) whose rows they are. A patient is in the cluster that holds most of their rows; of equals the
            lowest. Their value is the mean of their rows, or their most frequent class.
        variables: each with N values.
        count: K.
        correction: over the variables.
        seed: of permutations, where a test needs them.

    Raises:
        BadInput: other numbers of patients or values than of clusters, or a cluster outside 0 ... count - 1.
    """
    numbers = np.asarray(clusters, dtype=np.int64)
    _require_usable(numbers, patients, variables, count)
    people = patients_of(patients, numbers, count)
    rows = [_row(variable, people, count, seed) for variable in variables]
    corrected = corrected_p([row.difference.p for row in rows], correction)
    rows = [replace(row, p_corrected=p) for row, p in zip(rows, corrected, strict=True)]
    sizes = tuple(np.bincount(people.clusters, minlength=count).tolist())
    return StrataTable(tuple(rows), sizes, correction, int(np.isfinite(corrected).sum()), _notes(people, sizes))


def _row(variable: RowVariable, people: Patients, count: int, seed: int) -> StrataRow:
    groups, note = people.clusters, ""
    if variable.kind == "numeric":
        values = people.numbers(np.asarray(variable.values, dtype=np.float64))
        difference = numeric_difference(values, groups)
        found = [_numbers(values, groups == cluster, cluster) for cluster in range(count)]
    else:
        classes, tied = people.classes(variable.values)
        difference = categorical_difference(classes, groups, seed=seed)
        names = exam_order(set(classes.tolist()) - {""})
        found = [_classes(classes[groups == cluster], names, cluster) for cluster in range(count)]
        note = f"{counted(tied, 'patient')} with equally frequent classes: the first in order." if tied else ""
    return StrataRow(variable.name, variable.unit, variable.kind, tuple(found), difference, float("nan"), note)


def _numbers(values: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_], cluster: int) -> Stratum:
    known = values[inside & ~np.isnan(values)]
    missing = int(inside.sum()) - len(known)
    if not len(known):
        return Stratum(cluster, 0, missing)
    lower, median, upper = (float(value) for value in np.quantile(known, [0.25, 0.5, 0.75]))
    effect = rank_biserial(values, inside)
    return Stratum(cluster, len(known), missing, median, lower, upper, effect=None if np.isnan(effect) else effect)


def _classes(classes: npt.NDArray[np.str_], names: Sequence[str], cluster: int) -> Stratum:
    missing = int((classes == "").sum())
    counts = tuple((name, int((classes == name).sum())) for name in names)
    return Stratum(cluster, len(classes) - missing, missing, counts=counts)


def _notes(people: Patients, sizes: Sequence[int]) -> tuple[str, ...]:
    notes = []
    if people.several:
        notes.append(
            f"{counted(people.several, 'patient')} with images in several clusters: counted once, in the cluster that "
            f"holds most of their images{f' ({people.tied} tied: the lowest number)' if people.tied else ''}."
        )
    notes += [f"cluster {cluster + 1} has no patient." for cluster, size in enumerate(sizes) if not size]
    return tuple(notes)


def _require_usable(
    clusters: npt.NDArray[np.int64],
    patients: Sequence[str] | npt.NDArray[Any],
    variables: Sequence[RowVariable],
    count: int,
) -> None:
    given = {"patients": len(patients), **{f"values of {each.name}": len(each.values) for each in variables}}
    wrong = [f"{number} {name}" for name, number in given.items() if number != len(clusters)]
    if wrong or not len(clusters):
        raise BadInput(
            f"{len(clusters)} clusters of rows were given, but {', '.join(wrong) or 'no row'}: one for each."
        )
    if clusters.min() < 0 or clusters.max() >= count:
        raise BadInput(f"clusters go from {clusters.min()} to {clusters.max()}, expected 0 to {count - 1}.")
