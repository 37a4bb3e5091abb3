"""Features with exams as rows: the sequences of an exam averaged, or put side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from medcl.evaluation.feature_table import FeatureTable
from medcl.study.errors import BadInput
from medcl.study.exams import exam_order
from medcl.study.plural import counted

Joined = Literal["mean", "concatenate"]


def exam_rows(table: FeatureTable, how: Joined = "mean") -> FeatureTable:
    """One row for each fold, patient, exam and split, in the order in which they first come; `sequences` are "".

    Args:
        table: one row an image.
        how: "mean" over the images of an exam, or "concatenate": the sequences of the table side by side, in natural
            order, images of one sequence averaged first. An exam that lacks a sequence counts with what it has in a
            mean, which the notes tell, and is left out when they are put side by side.

    Raises:
        BadInput: no exam has all sequences, or one patient's exam stands in two splits of one fold.
    """
    first, row_of = _exams(table)
    sequences = exam_order(table.sequences)
    counts = np.zeros((len(first), len(sequences)), dtype=np.int64)
    place = {name: column for column, name in enumerate(sequences)}
    column = np.array([place[name] for name in table.sequences.tolist()])
    np.add.at(counts, (row_of, column), 1)
    notes = [*table.notes, *_missing_notes(counts, sequences, how)]
    exams = replace(table.only(first), sequences=np.full(len(first), "", dtype=np.str_), notes=tuple(notes))
    if how == "mean":
        return replace(exams, features=_means(table.features, row_of, len(first)))
    complete = np.asarray((counts > 0).all(axis=1))
    if not complete.any():
        raise BadInput(
            f"{table.file}: no exam has all {len(sequences)} sequences ({', '.join(sequences)}), so that none can be "
            "put side by side: take the mean of an exam's sequences, or embed fewer of them (--sequence)."
        )
    joined = _means(table.features, row_of * len(sequences) + column, len(first) * len(sequences))
    return replace(exams, features=joined.reshape(len(first), -1)).only(complete)


def _exams(table: FeatureTable) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(E,) the first row of each exam of a fold, (N,) which one a row belongs to."""
    found: dict[tuple[int, str, str], int] = {}
    first: list[int] = []
    row_of = np.empty(len(table), dtype=np.int64)
    whose = zip(table.folds.tolist(), table.patients.tolist(), table.exams.tolist(), strict=True)
    for row, key in enumerate(whose):
        if key not in found:
            found[key] = len(first)
            first.append(row)
        row_of[row] = found[key]
        if (split := table.splits[first[found[key]]]) != table.splits[row]:
            raise BadInput(
                f"{table.file}, row {row + 2}: exam {key[2]} of patient {key[1]} is {table.splits[row] or 'empty'} "
                f"here and {split or 'empty'} above: a patient has one split in a fold. Run `medcl embed` again."
            )
    return np.array(first, dtype=np.int64), row_of


def _means(features: npt.NDArray[np.float32], group: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float32]:
    """(count, F) means of groups of rows; 0 of a group without any."""
    sums = np.zeros((count, features.shape[1]))
    np.add.at(sums, group, features)
    rows = np.bincount(group, minlength=count)
    return (sums / np.maximum(rows, 1)[:, None]).astype(np.float32)


def _missing_notes(counts: npt.NDArray[np.int64], sequences: list[str], how: Joined) -> list[str]:
    missing = counts == 0
    if not (short := int(missing.any(axis=1).sum())):
        return []
    lacked = [
        f"{name or 'images without a sequence'} in {number}"
        for name, number in zip(sequences, missing.sum(axis=0).tolist(), strict=True)
        if number
    ]
    done = "are left out" if how == "concatenate" else "are averaged over those that they have"
    return [f"{counted(short, 'row')} of an exam lacking a sequence ({', '.join(lacked)}) {done}."]
