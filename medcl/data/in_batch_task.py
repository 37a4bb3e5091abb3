"""In-batch pairs (`--pairs in-batch`; ours): N images once through the encoder teach with all pairs among them.

21 steps of 96 images are a tenth of the encoder passes of the paper's 10,000 explicit pairs, and 21 * 4,560
pairs. Every image is used before one is used again. For the patient task a step draws patients that have a
positive pair, at least two images of each, of different exams where the patient has them. Slices of one image come
into one step only where there are too few images.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.curriculum import Curriculum
from medcl.data.keyed import keyed_generator
from medcl.data.patient_pairs import PatientRule
from medcl.data.plan import BatchPlan
from medcl.data.spread import spread
from medcl.data.task_options import IN_BATCH_IMAGES, TaskOptions
from medcl.data.validation_blocks import ValidationBlocks

Ints = NDArray[np.int64]


class InBatchTask:
    """Plans of N different images whose target "label" is (N, N) of 1, 0 and -1 (not used)."""

    def __init__(self, curriculum: Curriculum, options: TaskOptions) -> None:
        self.curriculum = curriculum
        self.options = options
        self.wanted = options.batch_size or IN_BATCH_IMAGES
        self.batch_size = min(self.wanted, len(curriculum.rows))
        self.held_out = ValidationBlocks(curriculum, options)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        rule = self.curriculum.rules[self.curriculum.stage(epoch)]
        generator = keyed_generator(self.options.seed, "in-batch images", epoch)
        if isinstance(rule, PatientRule):
            batches = _patients_with_pairs(rule, self.curriculum.rows, self.wanted, self.options.steps, generator)
        else:
            rows, images = self.curriculum.rows, self.curriculum.images
            batches = cycle(rows, self.wanted, self.options.steps, generator, images)
        plans, first = [], 0
        for rows in batches:
            keys = np.arange(first, first + len(rows))
            plans.append(BatchPlan(rows, keys, {"label": rule.label(rows)}))
            first += len(rows)
        return plans

    def validation(self) -> list[BatchPlan]:
        """Return the fixed batches of validation patients."""
        return self.held_out.plans

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        notes = list(self.curriculum.notes)
        if self.batch_size < self.wanted:
            notes.append(
                f"a step takes {self.wanted} images, but there are {len(self.curriculum.rows)} training images: "
                "every step sees all that it can use"
            )
        for number, rule in enumerate(self.curriculum.rules, start=1):
            if isinstance(rule, PatientRule) and (lone := self._lone_images(rule)):
                notes.append(
                    f"stage {number} ({rule.name}): {lone} training images are of patients without a positive "
                    "pair and are left out"
                )
        return notes + self.held_out.notes

    def describe(self) -> dict[str, Any]:
        """Return thresholds and counts for the user and for the run's record."""
        return {
            **self.curriculum.facts,
            "sampling": "in-batch",
            "training_images": len(self.curriculum.rows),
            "batch_size": self.batch_size,
            "steps": self.options.steps,
            "stages": [
                {"definition": rule.name, "positives_there_are": positives, "negatives_there_are": negatives}
                for rule, (positives, negatives) in zip(self.curriculum.rules, self._counts, strict=True)
            ],
            "validation": self.held_out.facts,
        }

    @cached_property
    def _counts(self) -> list[tuple[int, int]]:
        return self.curriculum.counts()

    def _lone_images(self, rule: PatientRule) -> int:
        rows = self.curriculum.rows
        return len(rows) - sum(len(group) for group in _groups_with_pairs(rule, rows))


def cycle(
    rows: Ints, size: int, steps: int, generator: np.random.Generator, images: Ints | None = None
) -> Iterator[Ints]:
    """Yield `steps` batches of `size` different rows (all, if fewer); each is used before one is used again.

    With `images` the rows are slices, and those of one image are kept apart (`spread`).
    """
    size = min(size, len(rows))
    waiting = np.empty(0, np.int64)
    for _ in range(steps):
        if len(waiting) < size:
            fresh = spread(rows, images, generator)
            again = np.isin(fresh, waiting)  # their turn comes at the end, so that no batch holds one twice
            waiting = np.concatenate([waiting, fresh[~again], fresh[again]])
        yield waiting[:size]
        waiting = waiting[size:]


def _patients_with_pairs(
    rule: PatientRule, rows: Ints, size: int, steps: int, generator: np.random.Generator
) -> Iterator[Ints]:
    """Yield batches of at most `size` images, two or more of each drawn patient."""
    groups = _groups_with_pairs(rule, rows)
    patients = min(len(groups), max(1, size // 2))
    most = max(2, size // patients)
    for numbers in cycle(np.arange(len(groups)), patients, steps, generator):
        yield np.concatenate([_images_of(rule, groups[number], most, generator) for number in numbers])


def _groups_with_pairs(rule: PatientRule, rows: Ints) -> list[Ints]:
    """The images of each patient that has a positive pair under the rule."""
    order = rows[np.argsort(rule.patients[rows], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(rule.patients[order])) + 1)
    images = np.arange(len(rule.patients)) if rule.images is None else rule.images
    apart = images if rule.same_exam else rule.exams
    return [group for group in groups if len(np.unique(apart[group])) > 1]


def _images_of(rule: PatientRule, group: Ints, most: int, generator: np.random.Generator) -> Ints:
    """Up to `most` images of a patient in random order, the first two of different exams where there are such.

    Slices of one exam are at least of two images.
    """
    order = spread(group, rule.images, generator)
    other = np.flatnonzero(rule.exams[order] != rule.exams[order[0]])
    if not len(other) and rule.images is not None:
        other = np.flatnonzero(rule.images[order] != rule.images[order[0]])
    if len(other):
        order[[1, other[0]]] = order[[other[0], 1]]
    return order[:most]
