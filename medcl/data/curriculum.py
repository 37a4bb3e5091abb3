"""Rules that say which pairs are positive and negative, one a stage, over the epochs of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medcl.data.pair_space import PairSpace
from medcl.study.errors import BadInput

Ints = NDArray[np.int64]
Labels = NDArray[np.int8]

POSITIVE, NEGATIVE, UNUSED = 1, 0, -1


class PairRule(Protocol):
    """One stage's definition of positive and negative pairs."""

    @property
    def name(self) -> str:
        """The definition in words; equal definitions have equal names."""

    def positives(self, rows: Ints) -> PairSpace:
        """Return the positive pairs among these images."""

    def negatives(self, rows: Ints) -> PairSpace:
        """Return the negative pairs among these images."""

    def label(self, rows: Ints) -> Labels:
        """Return (N, N) of 1, 0 and -1 (not used; also the diagonal) for the N images."""


@dataclass(frozen=True, eq=False)
class Curriculum:
    """The stages of a run, of equal length in epochs.

    Attributes:
        rules: one a stage; the last one also defines the validation.
        epochs: of the run.
        rows: training images that the rules can judge.
        validation_rows: the same of validation patients.
        patients: (N,) numbers of the patients of all samples.
        advice: what a user can change when a stage has no pairs of one label.
        facts: what there is to be printed and saved beside the counts.
        notes: sentences for the user.
        images: (N,) numbers of the images of all samples where these are slices; None where samples are images.
    """

    rules: tuple[PairRule, ...]
    epochs: int
    rows: Ints
    validation_rows: Ints
    patients: Ints
    advice: str
    facts: dict[str, Any]
    notes: tuple[str, ...] = ()
    images: Ints | None = None

    def stage(self, epoch: int) -> int:
        """Return the stage of an epoch, both from 0."""
        if not 0 <= epoch < self.epochs:
            raise ValueError(f"epoch {epoch} is outside of the run's {self.epochs}")
        return epoch * len(self.rules) // self.epochs

    def counts(self) -> list[tuple[int, int]]:
        """Return how many positive and negative training pairs there are in each stage."""
        return [(r.positives(self.rows).count, r.negatives(self.rows).count) for r in self.rules]

    def require_pairs(self) -> None:
        """Raise BadInput with the counts of all stages when one has no positives or no negatives."""
        counts = self.counts()
        if all(positives and negatives for positives, negatives in counts):
            return
        lines = [
            f"stage {number} ({rule.name}): {positives} positive, {negatives} negative pairs"
            for number, (rule, (positives, negatives)) in enumerate(zip(self.rules, counts, strict=True), start=1)
        ]
        raise BadInput(
            [
                f"the {len(self.rows)} training images do not give pairs of both labels in every stage:",
                *lines,
                self.advice,
            ]
        )


def require_patients(patients: NDArray[np.str_], what: str) -> None:
    """Raise BadInput when the training images `what` come from fewer than two patients."""
    if not len(patients):
        raise BadInput(f"no training image {what}: check the splits and the cohort table.")
    if len(np.unique(patients)) < 2:
        raise BadInput(
            f"all {len(patients)} training images {what} are of one patient ({patients[0]}): pairs of different "
            "patients need at least two. Add patients to cohort.csv or give other splits."
        )
