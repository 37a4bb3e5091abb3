"""Slices that a segmentation of the target learns from: of the source, of training patients, with their masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medcl.data.domains import Domains, join_domains
from medcl.data.labelled_source_task import LabelledSourceTask, source_samples
from medcl.data.loader import Loader
from medcl.data.plan import LABELLED, BatchPlan
from medcl.data.samples import Samples
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.source import TaskSource
from medcl.data.translation_task import SOURCE
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from tests.data.domain_study import CLASSES, TARGET_OFFSET, domain, store_of

BOTH = {"B0": "train", "B1": "train", "B2": "train", "B3": "val", "B4": "test"}
"""Patients who have masked images of source and target."""


def domains() -> Domains:
    return join_domains(domain("ct", BOTH, masked=("B0", "B1", "B3", "B4")), domain("mr", BOTH))


def task(samples: Samples, **options: object) -> LabelledSourceTask:
    return LabelledSourceTask(samples, ["B0", "B1"], SegmentationTaskOptions(**options))


def drawn(plans: list[BatchPlan]) -> set[int]:
    return {row for plan in plans for row in plan.rows.tolist()}


def test_the_slices_of_the_source_alone() -> None:
    joined = domains()
    samples = source_samples(joined)
    assert len(samples) == int(joined.source.sum()) == 20
    assert samples.cases.tolist() == joined.samples.cases[joined.source].tolist()
    assert samples.slices is not None
    assert samples.slices.tolist() == joined.samples.slices[joined.source].tolist()
    out = np.empty(samples.size, np.float32)
    for row in range(len(samples)):
        samples.read(row, out)
        assert out.mean() < TARGET_OFFSET / 2


@pytest.mark.parametrize("batch_size", [2, 3, 5])
def test_every_slice_with_a_mask_of_training_patients_and_no_other(batch_size: int) -> None:
    samples = source_samples(domains())
    made = task(samples, batch_size=batch_size)
    masked = np.isin(samples.patients, ["B0", "B1"])
    every = set().union(*(drawn(made.epoch(epoch)) for epoch in range(3)))
    assert every == set(np.flatnonzero(masked).tolist())
    for plan in made.epoch(0):
        assert plan.targets[SOURCE].tolist() == plan.targets[LABELLED].tolist() == [True] * batch_size
    assert drawn(made.validation()) == set(np.flatnonzero(samples.patients == "B3").tolist())
    assert all(plan.augment == "none" and plan.targets[SOURCE].all() for plan in made.validation())


def test_without_the_choice_of_the_source_masks_of_the_target_would_be_learned_from() -> None:
    """The twin of the guard: the same task on the slices of both."""
    joined = domains()
    found = drawn(task(joined.samples, batch_size=4).epoch(0))
    assert not joined.source[sorted(found)].all()


def test_no_slice_of_the_target_is_read() -> None:
    source, target = domain("ct", BOTH), domain("mr", BOTH)
    samples = source_samples(join_domains(source, target))
    made = LabelledSourceTask(samples, ["B0", "B1", "B2"], SegmentationTaskOptions(batch_size=4, empty_share=0.5))
    loader = Loader(samples, None, seed=0, device=torch.device("cpu"), classes=CLASSES)
    batches = TaskSource(made, loader)
    for batch in batches.batches(made.epoch(0), 0):
        assert batch.labels is not None
        assert (batch.labels != UNLABELLED).all()
        assert set(batch.labels.unique().tolist()) == {1, 2}
    assert store_of(source).reads
    assert not store_of(target).reads
    assert not store_of(target).label_reads


def test_empty_slices_are_thinned_out() -> None:
    samples = source_samples(join_domains(domain("ct", 3, empty=(0, 3)), domain("mr", 3)))
    chosen = ["CT0", "CT1", "CT2"]
    made = LabelledSourceTask(samples, chosen, SegmentationTaskOptions(batch_size=8, empty_share=0.5))
    assert samples.slices is not None
    empty = [row for row in drawn(made.epoch(0)) if samples.slices[row] in (0, 3)]
    assert len(empty) == 3
    assert any("without any class" in note for note in made.notes)


def test_nobody_with_a_mask() -> None:
    samples = source_samples(join_domains(domain("ct", BOTH, masked=False), domain("mr", BOTH)))
    with pytest.raises(BadInput, match="has a mask"):
        task(samples)
