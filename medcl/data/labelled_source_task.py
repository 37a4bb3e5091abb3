"""Labelled slices of the source alone, for a segmentation of the target that learns from translated slices.

The batches are those of `SegmentationTask` with labelled images only: no slice of the target is read, and no slice
whose mask is not known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from medcl.data.domains import Domains
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.segmentation_task import SegmentationTask
from medcl.data.translation_task import SOURCE


class LabelledSourceTask(SegmentationTask):
    """Plans whose targets "source" and "labelled", (M,) bool, are True throughout.

    Args:
        samples: of the source (`source_samples`).
        patients: training patients whose masks are used.
        options: of the task; its images are labelled ones alone, whatever they say.

    Raises:
        BadInput: nobody is labelled, or one who does not train.
    """

    def __init__(self, samples: Samples, patients: Collection[str], options: SegmentationTaskOptions) -> None:
        super().__init__(samples, patients, replace(options, supervised=True))

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        return [_of_source(plan) for plan in super().epoch(epoch)]

    def validation(self) -> list[BatchPlan]:
        """Return a batch for each labelled image of validation patients, with all its slices, as it is stored."""
        return [_of_source(plan) for plan in super().validation()]


def source_samples(domains: Domains) -> Samples:
    """Return the slices of the source alone, in their order."""
    samples, rows = domains.samples, np.flatnonzero(domains.source)
    return replace(
        samples,
        entries=[samples.entries[row] for row in rows.tolist()],
        cases=samples.cases[rows],
        patients=samples.patients[rows],
        exams=samples.exams[rows],
        sequences=samples.sequences[rows],
        splits=samples.splits[rows],
        slices=None if samples.slices is None else samples.slices[rows],
    )


def _of_source(plan: BatchPlan) -> BatchPlan:
    return replace(plan, targets={**plan.targets, SOURCE: np.ones(len(plan.rows), bool)})
