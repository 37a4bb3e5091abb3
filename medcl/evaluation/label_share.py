"""Which training rows a few-labels evaluation may read: a share of the patients of every class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import Labels
from medcl.study.errors import BadInput

SHARE = 0.2
"""Ferrante and colleagues' linear evaluation ("Contrastive learning for unsupervised medical image clustering ...")."""


def label_share(
    labels: Labels, patients: Sequence[str] | npt.NDArray[Any], share: float = SHARE, *, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Places (M,), ascending, of a drawn share of labelled rows; all rows of a drawn patient come together.

    A patient is drawn among those with the same most frequent class (of equals the first in order), the number rounded
    to the nearest. Where every row is its own patient this is plain stratification.

    Args:
        labels: (N,) classes of training rows, without missing values.
        patients: (N,) whose rows they are.
        share: of the patients, above 0 and at most 1; 1 takes all.
        seed: of the draw.

    Raises:
        BadInput: a share outside its range, or one that leaves a class without a row.
    """
    if not 0 < share <= 1:
        raise BadInput(f"the share of labels is {share:g}: give a number above 0 and at most 1.")
    classes, place = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    names, person = np.unique(np.asarray(patients, dtype=np.str_), return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (person, place), 1)
    stratum = np.argmax(counts, axis=1)
    generator = np.random.default_rng(seed)
    drawn = np.zeros(len(names), dtype=np.bool_)
    for number in range(len(classes)):
        candidates = np.flatnonzero(stratum == number)
        wanted = int(share * len(candidates) + 0.5)
        drawn[generator.permutation(candidates)[:wanted]] = True
    rows = np.flatnonzero(drawn[person])
    if missing := sorted(set(classes.tolist()) - set(classes[place[rows]].tolist())):
        people = int((counts[:, classes == missing[0]] > 0).sum())
        raise BadInput(
            f"a share of {share:g} of the training labels leaves no row of the class '{missing[0]}' "
            f"({people} of {len(names)} labelled training patients have it): raise the share of labels, or label more."
        )
    return rows
