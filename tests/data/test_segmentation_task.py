"""Labelled and unlabelled images of a step: how many, whose, how often; and validation without test patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from medcl.data.loader import Loader
from medcl.data.plan import BatchPlan
from medcl.data.samples import Samples
from medcl.data.segmentation_options import SegmentationTaskOptions
from medcl.data.segmentation_task import SegmentationTask, interleaved
from medcl.data.source import TaskSource
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from tests.data.labelled_study import CLASSES, labelled_study


def made(samples: Samples, *patients: str, **options: Any) -> SegmentationTask:
    return SegmentationTask(samples, patients or ["P01", "P04"], SegmentationTaskOptions(**options))


def used(plans: list[BatchPlan], labelled: bool) -> Counter[int]:
    return Counter(row for plan in plans for row in plan.rows[plan.targets["labelled"] == labelled].tolist())


def leaks(task: SegmentationTask, samples: Samples) -> set[str]:
    """What is used where it must not be: other than labelled training patients' masks, or held-out patients' images."""
    parts = dict(zip(range(len(samples)), samples.splits.tolist(), strict=True))
    found = set()
    for epoch in range(3):
        plans = task.epoch(epoch)
        found |= {f"trains on {parts[row]}" for row in used(plans, False) | used(plans, True) if parts[row] != "train"}
        strangers = set(samples.patients[list(used(plans, True))]) - set(task.patients)
        found |= {f"learns from the masks of {name}" for name in strangers}
    for plan in task.validation():
        found |= {f"validates on {parts[row]}" for row in plan.rows.tolist() if parts[row] != "val"}
    return found


@pytest.mark.parametrize("options", [{}, {"supervised": True}, {"unlabelled_from": "all"}, {"empty_share": 0.5}])
@pytest.mark.parametrize("slices", [False, True])
def test_nobody_is_used_who_must_not_be(slices: bool, options: dict[str, Any]) -> None:
    samples = labelled_study(slices=slices)
    assert leaks(made(samples, **options), samples) == set()


@pytest.mark.parametrize("fault", ["test in training", "test in validation", "other masks"])
def test_a_leak_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins: a training set with test patients, a validation on them, masks of patients who count as unlabelled."""
    samples = labelled_study()
    if fault == "test in training":
        monkeypatch.setattr(Samples, "rows", lambda self, split: np.flatnonzero(self.splits != "val"))
    task = made(samples)
    if fault == "test in validation":
        task.held_out = [np.flatnonzero(samples.splits == "test")]
    if fault == "other masks":
        task.labelled = task.rows
    assert leaks(task, samples)


def test_a_step_holds_half_of_each_by_default() -> None:
    volumes, slices = labelled_study(train=20), labelled_study(train=20, slices=True)
    for samples, size in ((volumes, 4), (slices, 24)):
        task = made(samples)
        plans = task.epoch(0)
        assert {len(plan.rows) for plan in plans} == {size}
        assert {int(plan.targets["labelled"].sum()) for plan in plans} == {size // 2}
        assert len(plans) == np.ceil(len(samples.rows("train")) / size), "as many images as the training patients have"
        assert {plan.augment for plan in plans} == {"epoch"}
        keys = np.concatenate([plan.keys for plan in plans])
        assert len(np.unique(keys)) == len(keys)


@pytest.mark.parametrize(
    ("options", "labelled"),
    [
        ({"batch_size": 10, "labelled_share": 0.25}, 3),  # 2.5 is rounded up
        ({"batch_size": 10, "labelled_share": 0.01}, 1),
        ({"batch_size": 10, "labelled_share": 0.99}, 9),
        ({"batch_size": 10, "supervised": True}, 10),
        ({"batch_size": 2}, 1),
    ],
)
def test_the_share_of_labelled_images(options: dict[str, Any], labelled: int) -> None:
    plans = made(labelled_study(slices=True), steps=5, **options).epoch(0)
    assert len(plans) == 5
    assert {int(plan.targets["labelled"].sum()) for plan in plans} == {labelled}


def test_each_image_is_used_before_one_is_used_again() -> None:
    samples = labelled_study(train=10, slices=True)
    task = made(samples, steps=12, batch_size=10)
    plans = task.epoch(0)
    known, unknown = used(plans, True), used(plans, False)
    assert set(known) == set(np.flatnonzero(np.isin(samples.patients, ["P01", "P04"])))
    assert set(samples.patients[list(unknown)]) == {f"P{n:02d}" for n in range(10)} - {"P01", "P04"}
    assert len(known) == 16, "both exams and all slices of a labelled patient"
    assert max(known.values()) - min(known.values()) <= 2
    assert max(unknown.values()) - (min(unknown.values()) if len(unknown) == 64 else 0) <= 1
    assert all(len(set(plan.rows.tolist())) == 10 for plan in plans)


def test_one_labelled_image_fills_its_part_of_the_batch() -> None:
    samples = labelled_study(masked=["P00_ED", "P08_ED"])
    task = made(samples, "P00", batch_size=6, steps=4)
    plans = task.epoch(0)
    assert used(plans, True) == {0: 12}
    assert len(used(plans, False)) == 12
    assert {task.epoch(0)[0].keys.tolist()[i] for i in range(6)} == set(range(6)), "each under a view of its own"


def test_three_labelled_images_are_shared_out_evenly() -> None:
    samples = labelled_study(masked=["P00_ED", "P00_ES", "P01_ED"])
    plans = made(samples, "P00", "P01", batch_size=8, steps=7).epoch(0)
    counts = used(plans, True)
    assert sum(counts.values()) == 28
    assert max(counts.values()) - min(counts.values()) <= 1
    for plan in plans:
        here = used([plan], True)
        assert max(here.values()) - min(here.values()) <= 1


def test_unlabelled_images_of_labelled_patients_are_an_option() -> None:
    samples = labelled_study()
    others = used(made(samples, steps=50).epoch(0), False)
    everybody = used(made(samples, steps=50, unlabelled_from="all").epoch(0), False)
    assert set(samples.patients[list(others)]) == {"P00", "P02", "P03", "P05", "P06", "P07"}
    assert set(samples.patients[list(everybody)]) == {f"P{n:02d}" for n in range(8)}


def test_when_all_are_labelled_steps_are_all_labelled() -> None:
    samples = labelled_study(train=3)
    task = made(samples, "P00", "P01", "P02")
    assert all(plan.targets["labelled"].all() for plan in task.epoch(0))
    assert "no training image is left" in task.notes[0]


def shards(total: int, ranks: int) -> list[slice]:
    """Contiguous and as equal as can be, as training/distributed.py cuts a batch."""
    least, more = divmod(total, ranks)
    ends = np.cumsum([least + (number < more) for number in range(ranks)]).tolist()
    return [slice(first, end) for first, end in zip([0, *ends], ends, strict=False)]


def unfair(spread: Callable[[int, int], np.ndarray]) -> list[tuple[int, int, int]]:
    """Batches of which a rank gets no labelled or no unlabelled image although there are enough for each."""
    found = []
    for total in range(2, 30):
        for some in range(1, total):
            for ranks in range(1, 9):
                parts = [spread(total, some)[shard] for shard in shards(total, ranks)]
                smallest = total // ranks
                if not smallest:
                    continue
                enough = smallest * some // total, smallest * (total - some) // total
                counts = [(int(part.sum()), int((~part).sum())) for part in parts]
                if any(has < want for count in counts for has, want in zip(count, enough, strict=True)):
                    found.append((total, some, ranks))
    return found


def test_every_rank_gets_labelled_and_unlabelled_images() -> None:
    assert unfair(interleaved) == []
    for total in range(1, 30):
        for some in range(total + 1):
            assert interleaved(total, some).sum() == some


def test_ranks_without_labelled_images_are_noticed() -> None:
    """The twin: labelled images first."""
    assert unfair(lambda total, some: np.arange(total) < some)


@pytest.mark.parametrize("slices", [False, True])
def test_validation_is_the_whole_labelled_images_of_validation_patients(slices: bool) -> None:
    samples = labelled_study(val=3, slices=slices, masked=["P01_ED", "P08_ED", "P08_ES", "P10_ES"])
    plans = made(samples, "P01").validation()
    assert [set(samples.cases[plan.rows]) for plan in plans] == [{"P08_ED"}, {"P08_ES"}, {"P10_ES"}]
    assert {len(plan.rows) for plan in plans} == {4 if slices else 1}
    assert {plan.augment for plan in plans} == {"none"}
    if slices:
        assert samples.slices is not None
        assert samples.slices[plans[0].rows].tolist() == [0, 1, 2, 3]
    few = made(samples, "P01", validation_images=2).validation()
    assert len(few) == 2
    assert {plan.rows[0] for plan in few} <= {plan.rows[0] for plan in plans}


def test_without_masks_of_validation_patients_there_is_no_validation() -> None:
    task = made(labelled_study(masked=["P01_ED", "P10_ED"]), "P01")
    assert task.validation() == []
    assert any("not validated" in note for note in task.notes)


def test_plans_follow_seed_and_epoch_and_not_what_was_asked_before() -> None:
    samples = labelled_study(slices=True)

    def plain(task: SegmentationTask, epoch: int) -> list[Any]:
        return [(plan.rows.tolist(), plan.keys.tolist()) for plan in task.epoch(epoch)]

    task = made(samples, seed=4)
    later = plain(task, 2)
    assert plain(made(samples, seed=4), 2) == later
    assert plain(task, 1) != later
    assert plain(made(samples, seed=5), 2) != later


def test_empty_slices_are_thinned_and_all_have_their_turn() -> None:
    samples = labelled_study(slices=True, empty_slices=True)
    task = made(samples, steps=8, batch_size=16, empty_share=0.25)
    empty = {row for row in task.labelled.tolist() if samples.slices[row] < 2}  # type: ignore[index]
    assert set(task.empty.tolist()) == empty
    assert len(empty) == 8
    seen = []
    for epoch in range(20):
        known = used(task.epoch(epoch), True)
        assert len(set(known) & empty) == 2
        assert set(known) - empty == set(task.labelled.tolist()) - empty
        seen += list(set(known) & empty)
    assert set(seen) == empty
    assert not set(used(made(samples, steps=8, empty_share=0.0).epoch(0), True)) & empty
    assert set(used(made(samples, steps=8).epoch(0), True)) >= empty


def test_notes_and_record() -> None:
    task = made(labelled_study(slices=True))
    assert task.notes == ["Trains on 16 labelled images of 2 patients and on 48 unlabelled images."]
    record = task.describe()
    assert record["labelled_patients"] == ["P01", "P04"]
    assert (record["labelled_images"], record["unlabelled_images"], record["training_images"]) == (16, 48, 64)
    assert (record["batch_size"], record["labelled_in_batch"], record["steps"]) == (24, 12, 3)


def test_who_does_not_train_or_has_no_mask_is_refused() -> None:
    with pytest.raises(BadInput, match="do not train: P08, P11"):
        made(labelled_study(), "P01", "P11", "P08")
    with pytest.raises(BadInput, match="no labelled patient"):
        made(labelled_study(masked=["P00_ED"]), "P01")
    with pytest.raises(BadInput, match="no labelled patient"):
        SegmentationTask(labelled_study(), [], SegmentationTaskOptions())


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"batch_size": 1}, "--batch-size"),
        ({"batch_size": 0, "supervised": True}, "--batch-size"),
        ({"labelled_share": 1.0}, "--labeled-share"),
        ({"steps": 0}, "--steps-per-epoch"),
        ({"unlabelled_from": "nobody"}, "--unlabeled-from"),
        ({"empty_share": 1.5}, "--empty-slices"),
        ({"validation_images": 0}, "--validation-images"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, Any], flag: str) -> None:
    with pytest.raises(BadInput, match=flag):
        SegmentationTaskOptions(**change)
    SegmentationTaskOptions(batch_size=1, supervised=True)


def test_batches_show_the_masks_of_labelled_patients_only() -> None:
    samples = labelled_study(slices=True)
    task = made(samples, unlabelled_from="all")
    source = TaskSource(task, Loader(samples, None, 0, torch.device("cpu"), classes=CLASSES))
    for plan, batch in zip(task.epoch(1), source.batches(source.epoch(1), 1), strict=True):
        assert batch.labels is not None
        hidden = (batch.labels == UNLABELLED).flatten(1).all(dim=1).numpy()
        assert (hidden == ~plan.targets["labelled"]).all()
        assert torch.equal(batch.labels[~hidden], batch.volumes[~hidden].long())
    for batch in source.batches(source.validation(), 0, training=False):
        assert batch.labels is not None
        assert torch.equal(batch.labels, batch.volumes.long())
