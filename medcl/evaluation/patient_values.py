"""One cluster and one value for each patient, so that a patient with many images counts once in a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import Labels, text_labels


@dataclass(frozen=True, eq=False)
class Patients:
    """The patients of N rows.

    Attributes:
        names: (P,) in order.
        of_row: (N,) place of each row's patient in `names`.
        clusters: (P,) the cluster that holds most of a patient's rows; of equals the lowest.
        tied: patients with such equals.
        several: patients with rows in more than one cluster.
    """

    names: Labels
    of_row: npt.NDArray[np.int64]
    clusters: npt.NDArray[np.int64]
    tied: int
    several: int

    def numbers(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """(P,) the mean of each patient's known values (N,), NaN where there is none."""
        rows = np.asarray(values, dtype=np.float64)
        known = ~np.isnan(rows)
        counts = np.bincount(self.of_row[known], minlength=len(self.names))
        sums = np.bincount(self.of_row[known], weights=rows[known], minlength=len(self.names))
        means = np.full(len(self.names), np.nan)
        means[counts > 0] = sums[counts > 0] / counts[counts > 0]
        return means

    def classes(self, values: Sequence[object] | npt.NDArray[Any]) -> tuple[Labels, int]:
        """(P,) each patient's most frequent class of (N,), "" where there is none, and how many were tied.

        Of equally frequent ones it is the first in order.
        """
        words = text_labels(values)
        known = words != ""
        names, place = np.unique(words[known], return_inverse=True)
        if not len(names):
            return np.full(len(self.names), "", dtype=np.str_), 0
        chosen, tied = _most(self.of_row[known], place, (len(self.names), len(names)))
        return np.where(chosen >= 0, names[chosen], ""), tied


def patients_of(patients: Sequence[str] | npt.NDArray[Any], clusters: npt.NDArray[Any], count: int) -> Patients:
    """The patients of rows.

    Args:
        patients: (N,) whose rows they are.
        clusters: (N,) in 0 ... count - 1.
        count: K.
    """
    names, of_row = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)
    chosen, tied = _most(of_row, clusters, (len(names), count))
    pairs = np.unique(np.stack([of_row, clusters]), axis=1)
    several = int((np.bincount(pairs[0]) > 1).sum())
    return Patients(names, of_row, chosen, tied, several)


def _most(
    person: npt.NDArray[np.int64], value: npt.NDArray[np.int64], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], int]:
    """(P,) the most frequent value of each person, of equals the lowest, -1 without any; and how many were tied."""
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (person, value), 1)
    best = counts.max(axis=1)
    tied = int((((counts == best[:, None]).sum(axis=1) > 1) & (best > 0)).sum())
    return np.where(best > 0, counts.argmax(axis=1), -1), tied
