"""Slices as samples, and what each task makes of them: no two slices of one image as two images of a patient."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from medcl.data import two_views_task
from medcl.data.augment import Augmentation
from medcl.data.in_batch_task import InBatchTask
from medcl.data.loader import Loader
from medcl.data.patient_pairs import PatientRule, patient_curriculum
from medcl.data.sampled_task import SampledTask
from medcl.data.samples import Samples, build_samples
from medcl.data.simclr_task import SimclrTask
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task
from medcl.data.variable_pairs import variable_curriculum
from medcl.study.errors import BadInput
from medcl.study.variable import Variable

PLANE = (4, 6)


@dataclass(frozen=True)
class Stack:
    """An entry of a store of slices."""

    case: str
    patient: str
    exam: str
    sequence: str
    shape: tuple[int, int, int]
    label_file: str = ""
    spacing: tuple[float, float, float] = (5.0, 1.0, 1.5)


@dataclass
class SliceStore:
    """Every voxel holds its image's number + its slice's / 100; labels 1000 times that."""

    entries: list[Stack]
    sliced: bool = True
    numbers: dict[str, int] = field(default_factory=dict)

    def read(self, entry: Stack, out: np.ndarray | None = None, slice: int | None = None) -> np.ndarray:
        assert slice is not None, "a whole image was read"
        assert out is not None
        out[...] = self.numbers[entry.case] + slice / 100
        return out

    def labels(self, entry: Stack, slice: int | None = None) -> np.ndarray | None:
        assert slice is not None
        return np.full((1, *PLANE), 1000 * self.numbers[entry.case] + slice, np.uint16)


class Gfr:
    """A cohort, as far as samples ask it: the value is the patient's number."""

    def __init__(self, entries: list[Stack]) -> None:
        values = {entry.case: 10.0 * int(entry.patient[1:]) for entry in entries}
        self.found = Variable("gfr", "eGFR", "mL/min", "numeric", pd.Series(values))

    def variable(self, name: str) -> Variable:
        return self.found


def sliced(
    patients: int,
    exams: tuple[str, ...] = ("D15", "M3"),
    sequences: tuple[str, ...] = ("",),
    counts: tuple[int, ...] = (3, 5, 4),
    validation: int = 0,
    variable: str | None = None,
) -> Samples:
    """Samples of images with 3, 5, 4, 3, ... slices."""
    names = [f"P{number}" for number in range(patients)]
    images = list(itertools.product(names, exams, sequences))
    entries = [
        Stack("_".join(filter(None, each)), *each, (counts[n % len(counts)], *PLANE), "mask" if n % 2 else "")
        for n, each in enumerate(images)
    ]
    store = SliceStore(entries[::-1], numbers={entry.case: n for n, entry in enumerate(entries)})
    splits = {name: "val" if n >= patients - validation else "train" for n, name in enumerate(names)}
    return build_samples(store, Gfr(entries), splits, variable)  # type: ignore[arg-type]


def test_rows_are_slices_sorted_by_case_then_slice() -> None:
    samples = sliced(2, variable="gfr")
    assert samples.size == (1, *PLANE)
    assert samples.slices is not None
    told = list(zip(samples.cases.tolist(), samples.slices.tolist(), strict=True))
    assert told[:4] == [("P0_D15", 0), ("P0_D15", 1), ("P0_D15", 2), ("P0_M3", 0)]
    assert told == sorted(told)
    assert len(samples) == 3 + 5 + 4 + 3
    assert samples.exams.tolist()[2:4] == ["D15", "M3"]
    np.testing.assert_array_equal(samples.values, 10.0 * samples.patient_codes())
    assert samples.image_codes().tolist() == [0] * 3 + [1] * 5 + [2] * 4 + [3] * 3
    np.testing.assert_allclose(samples.positions[:8], [0, 0.5, 1, 0, 0.25, 0.5, 0.75, 1])
    assert samples.spacings()[0].tolist() == [5.0, 1.0, 1.5]
    assert sliced(2, counts=(1,)).positions.tolist() == [0.5] * 4


def test_a_row_reads_its_own_slice_and_labels() -> None:
    samples = sliced(2)
    out, labels = np.empty((1, *PLANE), np.float32), np.empty((1, *PLANE), np.uint16)
    for row in range(len(samples)):
        image, number = samples.image_codes()[row], int(samples.slices[row])  # type: ignore[index]
        samples.read(row, out)
        np.testing.assert_allclose(out, image + number / 100)
        assert samples.read_labels(row, labels) == samples.has_labels[row] == (image % 2 == 1)
        assert (labels == (1000 * image + number if image % 2 else 0)).all()


def test_volumes_are_read_as_before(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=2)
    out, labels = np.empty(samples.size, np.float32), np.ones(samples.size, np.uint16)
    samples.read(1, out)
    np.testing.assert_array_equal(out, samples.store.arrays["P0001_D15"])  # type: ignore[attr-defined]
    assert not samples.read_labels(1, labels)
    assert not labels.any()
    assert (samples.slices, samples.images, samples.note(samples.rows("train"))) == (None, None, [])
    assert samples.positions.tolist() == [0, 0]


def test_sizes_within_the_plane_must_agree() -> None:
    samples = sliced(2)
    entries = [replace(samples.entries[0], shape=(9, 4, 7)), *samples.store.entries[1:]]
    with pytest.raises(BadInput, match="1 4 7"):
        build_samples(SliceStore(entries), Gfr(entries), {"P0": "train", "P1": "train"})  # type: ignore[arg-type]


def test_the_loader_makes_batches_of_slices() -> None:
    samples = sliced(4)
    task = SimclrTask(samples, TaskOptions(batch_size=4, pairs=8))
    loader = Loader(samples, Augmentation(), 0, torch.device("cpu"))
    plans = task.epoch(0)
    for batch, plan in zip(loader.batches(plans, 0, augment=False), plans, strict=True):
        assert batch.volumes.shape == (8, 1, 1, *PLANE)
        expected = samples.image_codes()[plan.rows] + samples.slices[plan.rows] / 100  # type: ignore[index]
        np.testing.assert_allclose(batch.volumes[:, 0, 0, 0, 0], expected, rtol=1e-6)
    augmented = next(iter(loader.batches(plans, 0)))
    assert augmented.volumes.shape == (8, 1, 1, *PLANE)


def expected_label(samples: Samples, i: int, j: int, same_exam: bool) -> int:
    if samples.patients[i] != samples.patients[j]:
        return 0
    if samples.cases[i] == samples.cases[j] or (not same_exam and samples.exams[i] == samples.exams[j]):
        return -1
    return 1


def test_two_slices_of_one_image_are_no_two_images_of_a_patient() -> None:
    samples = sliced(3, sequences=("water", "arterial"))
    curriculum = patient_curriculum(samples, TaskOptions())
    for rule, same_exam in zip(curriculum.rules, (True, False), strict=True):
        label = rule.label(curriculum.rows)
        for i, j in itertools.product(range(len(samples)), repeat=2):
            assert label[i, j] == expected_label(samples, i, j, same_exam), (i, j)
        for y, space in ((1, rule.positives(curriculum.rows)), (0, rule.negatives(curriculum.rows))):
            listed = np.concatenate(list(space.blocks()))
            assert (label[listed[:, 0], listed[:, 1]] == y).all()
            assert len(listed) == space.count == (np.triu(label, 1) == y).sum() - (0 if y else _lower(label))


def _lower(label: np.ndarray) -> int:
    """np.triu fills the lower half with 0, which is the label of negatives."""
    return len(label) * (len(label) + 1) // 2


def test_a_broken_twin_that_forgets_the_images_is_noticed() -> None:
    samples = sliced(3, sequences=("water", "arterial"))
    rule = patient_curriculum(samples, TaskOptions(same_exam="always")).rules[0]
    assert isinstance(rule, PatientRule)
    broken = replace(rule, images=None)
    rows = samples.rows("train")
    pairs = np.concatenate(list(broken.positives(rows).blocks()))
    assert (samples.cases[pairs[:, 0]] == samples.cases[pairs[:, 1]]).any()
    assert broken.positives(rows).count > rule.positives(rows).count


def test_one_image_a_patient_is_not_enough_for_the_patient_task() -> None:
    with pytest.raises(BadInput, match="--method simclr"):
        patient_curriculum(sliced(5, exams=("D15",)), TaskOptions(same_exam="always"))


@pytest.mark.parametrize("same_exam", ["always", "never"])
def test_explicit_pairs_of_patients(same_exam: Any) -> None:
    samples = sliced(4, sequences=("water", "arterial"))
    options = TaskOptions(pairs=200, same_exam=same_exam)
    for plan in SampledTask(patient_curriculum(samples, options), options).epoch(0):
        first, second = plan.rows[0::2], plan.rows[1::2]
        for i, j, y in zip(first, second, plan.targets["label"], strict=True):
            assert expected_label(samples, i, j, same_exam == "always") == y


@pytest.mark.parametrize("same_exam", ["always", "never"])
def test_in_batch_patients_have_a_pair_that_counts(same_exam: Any) -> None:
    samples = sliced(8, sequences=("water", "arterial"))
    options = TaskOptions(batch_size=12, steps=20, same_exam=same_exam)
    for plan in InBatchTask(patient_curriculum(samples, options), options).epoch(0):
        label = plan.targets["label"]
        assert (label == 1).any(axis=1).reshape(-1).sum() >= len(set(samples.patients[plan.rows])) * 2
        for place, row in enumerate(plan.rows):
            mine = samples.patients[plan.rows] == samples.patients[row]
            assert (label[place][mine] == 1).any() or mine.sum() > 2


def test_alike_values_attract_between_patients_only() -> None:
    samples = sliced(8, variable="gfr")
    options = TaskOptions(pairs=400, thresholds="11,30")
    for plan in SampledTask(variable_curriculum(samples, options), options).epoch(0):
        first, second = plan.rows[0::2], plan.rows[1::2]
        apart = np.abs(samples.values[first] - samples.values[second])  # type: ignore[index]
        assert (samples.patients[first] != samples.patients[second]).all()
        assert np.array_equal(apart < 11, plan.targets["label"] == 1)
    assert any("slices count as images" in note for note in variable_curriculum(samples, options).notes)


def crowded(samples: Samples, plans: list[Any]) -> int:
    """Batches in which one image has several slices."""
    return sum(len(set(samples.cases[plan.rows[0::2]])) < len(plan.rows) // 2 for plan in plans)


def test_simclr_keeps_slices_of_one_image_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = sliced(40, validation=10)
    options = TaskOptions(batch_size=6, pairs=120, validation_images=40)
    task = SimclrTask(samples, options)
    assert crowded(samples, task.epoch(0)) == crowded(samples, task.validation()) == 0
    used = np.concatenate([plan.rows[0::2] for plan in task.epoch(0)])
    assert len(set(used.tolist())) == 120, "every slice is used before one is used again"
    monkeypatch.setattr("medcl.data.in_batch_task.spread", lambda rows, images, generator: generator.permutation(rows))
    monkeypatch.setattr(two_views_task, "spread", lambda rows, images, generator: generator.permutation(rows))
    broken = SimclrTask(samples, options)
    assert crowded(samples, broken.epoch(0)) > 0


def test_simclr_tells_when_there_are_too_few_images() -> None:
    notes = SimclrTask(sliced(3), TaskOptions(batch_size=12)).notes
    assert any("12 slices of 6 images" in note for note in notes)
    assert not any("repel each other" in note for note in SimclrTask(sliced(9), TaskOptions(batch_size=12)).notes)


def test_every_validation_patient_is_judged_however_many_slices_there_are() -> None:
    samples = sliced(30, counts=(60,), validation=20)
    options = TaskOptions(validation_images=200)
    plans = build_task("patient", "in-batch", samples, options).validation()
    rows = np.concatenate([plan.rows for plan in plans])
    assert len(rows) == len(set(rows.tolist())) == 200
    patients, counts = np.unique(samples.patients[rows], return_counts=True)
    assert len(patients) == 20
    assert set(counts) == {10}
    assert len(set(samples.cases[rows])) == 40, "both exams of each"
    assert all((plan.targets["label"] == 1).any() for plan in plans)


def test_volumes_are_drawn_as_before_there_were_slices(make_samples: Callable[..., Samples], tmp_path: Path) -> None:
    """The code of images is never asked for, so no draw is shifted."""
    samples = make_samples(patients=20, exams=("D15", "M3"), validation=4)
    curriculum = patient_curriculum(samples, TaskOptions())
    assert curriculum.images is None
    assert all(isinstance(rule, PatientRule) and rule.images is None for rule in curriculum.rules)
    assert SimclrTask(samples, TaskOptions()).images is None
