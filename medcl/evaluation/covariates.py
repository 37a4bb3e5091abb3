"""Clinical variables as columns beside features: numbers as they are, classes as one column each.

They join the features of a probe (`--adjust`) or are probed alone, and are then standardised and penalised as features
are: among hundreds of features two covariates weigh little, which is why the row of the covariates alone has to stand
beside. Classes are those of the training rows; one that only held-out rows have is no column, 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import text_labels
from medcl.study.errors import BadInput


@dataclass(frozen=True, eq=False)
class Covariate:
    """One variable of N rows.

    Attributes:
        name: for messages.
        kind: numeric or categorical.
        values: (N,) numbers with NaN, or classes with None or "", where missing.
    """

    name: str
    kind: Literal["numeric", "categorical"]
    values: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Covariates:
    """Some variables of the same N rows; none is allowed."""

    columns: tuple[Covariate, ...] = ()
    count: int = field(default=0)

    @classmethod
    def of(cls, columns: Sequence[Covariate], count: int) -> Covariates:
        """The covariates of `count` rows.

        Raises:
            BadInput: a variable of another number of rows.
        """
        wrong = [each.name for each in columns if len(each.values) != count]
        if wrong:
            raise BadInput(f"the covariates {', '.join(wrong)} have not as many values as there are rows ({count}).")
        return cls(tuple(columns), count)

    def missing(self) -> npt.NDArray[np.bool_]:
        """(N,) rows that lack a value."""
        lacking = np.zeros(self.count, dtype=np.bool_)
        for each in self.columns:
            lacking |= np.isnan(each.values.astype(np.float64)) if each.kind == "numeric" else _words(each) == ""
        return lacking

    def matrix(self, training: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
        """(N, C) columns, made from what the training rows know, and sentences about classes they do not have.

        Args:
            training: places of the training rows.
        """
        parts, notes = [np.empty((self.count, 0))], []
        for each in self.columns:
            if each.kind == "numeric":
                parts.append(each.values.astype(np.float64)[:, None])
                continue
            words = _words(each)
            classes = np.setdiff1d(words[training], [""])
            parts.append((words[:, None] == classes).astype(np.float64))
            if unseen := sorted(set(words.tolist()) - set(classes.tolist()) - {""}):
                rows = int(np.isin(words, unseen).sum())
                notes.append(
                    f"{each.name}: {', '.join(unseen)} ({rows} rows) are in no training row and have no column."
                )
        return np.concatenate(parts, axis=1), tuple(notes)


def _words(each: Covariate) -> npt.NDArray[np.str_]:
    return text_labels(each.values)
