"""The validation of the pair tasks: every pair among fixed blocks of validation patients' images.

Each image passes through the encoder once and all pairs of its block are judged, by the definition of the
curriculum's last stage, in every epoch: so the losses of a run can be compared, whatever stage it is in and
whether it was resumed. Up to one block's images (96) these are all pairs there are. A patient's images stay
in one block, up to a quarter of it. Of slices each patient gives an equal share of those that may be used, spread over
its images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medcl.data.curriculum import NEGATIVE, POSITIVE, Curriculum, Ints
from medcl.data.keyed import keyed_generator
from medcl.data.plan import BatchPlan
from medcl.data.spread import in_turns
from medcl.data.task_options import IN_BATCH_IMAGES, TaskOptions

MOST_OF_A_PATIENT = IN_BATCH_IMAGES // 4
"""A patient with more images is cut, so that every block holds several patients."""


class ValidationBlocks:
    """Plans whose target "label" is (N, N) of 1, 0 and -1, not augmented.

    Attributes:
        plans: the blocks.
        facts: counts to be saved.
        notes: sentences for the user, such as that one label has no pairs.
    """

    def __init__(self, curriculum: Curriculum, options: TaskOptions) -> None:
        rule = curriculum.rules[-1]
        self.plans: list[BatchPlan] = []
        positives = negatives = 0
        for rows in _blocks(curriculum, options):
            label = rule.label(rows)
            here = int((label == POSITIVE).sum()) // 2, int((label == NEGATIVE).sum()) // 2
            if any(here):
                self.plans.append(BatchPlan(rows, np.arange(len(rows)), {"label": label}, augment="none"))
            positives, negatives = positives + here[0], negatives + here[1]
        self.facts: dict[str, Any] = {
            "definition": rule.name,
            "images": sum(len(plan.rows) for plan in self.plans),
            "positives": positives,
            "negatives": negatives,
        }
        self.notes = _notes(len(curriculum.validation_rows), positives, negatives)


def _notes(images: int, positives: int, negatives: int) -> list[str]:
    if not images:
        return ["no image of a validation patient can be used: the run is not validated"]
    if not positives and not negatives:
        return [f"the {images} images of validation patients give no pair: the run is not validated"]
    if not positives or not negatives:
        there, lacking = ("negative", "positive") if negatives else ("positive", "negative")
        return [
            f"the {images} images of validation patients give no {lacking} pair: "
            f"the validation loss is that of {there} pairs only"
        ]
    return []


def _blocks(curriculum: Curriculum, options: TaskOptions) -> list[Ints]:
    """Whole patients in a random but fixed order, up to so many images, packed into blocks."""
    rows = curriculum.validation_rows
    patients = curriculum.patients[rows]
    order = np.argsort(patients, kind="stable")
    groups = np.split(rows[order], np.flatnonzero(np.diff(patients[order])) + 1)
    parts: list[tuple[int, Ints]] = []
    left = options.validation_images
    for number in keyed_generator(options.seed, "validation patients").permutation(len(groups)):
        group = _thinned(groups[number], curriculum, options, len(groups))[:left]
        left -= len(group)
        parts += [
            (first, group[first : first + MOST_OF_A_PATIENT]) for first in range(0, len(group), MOST_OF_A_PATIENT)
        ]
    blocks: list[Ints] = []
    for _, part in sorted(parts, key=lambda part: part[0]):  # first parts first, so that blocks mix patients
        if blocks and len(blocks[-1]) + len(part) <= IN_BATCH_IMAGES:
            blocks[-1] = np.concatenate([blocks[-1], part])
        else:
            blocks.append(part)
    return blocks


def _thinned(group: Ints, curriculum: Curriculum, options: TaskOptions, patients: int) -> Ints:
    """A patient's images; of its slices so many that all patients have their share, all images in turns."""
    if curriculum.images is None or not len(group):
        return group
    most = max(2, options.validation_images // patients)
    generator = keyed_generator(options.seed, "validation slices", int(curriculum.patients[group[0]]))
    return in_turns(group, curriculum.images, generator)[:most]
