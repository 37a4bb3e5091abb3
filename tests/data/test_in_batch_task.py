"""Batches of the in-batch task: sizes, labels, equal use of images, two exams of each patient, determinism."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medcl.data.in_batch_task import InBatchTask, cycle
from medcl.data.patient_pairs import patient_curriculum
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.variable_pairs import variable_curriculum

VALUES = np.random.default_rng(0).normal(50, 20, 120).tolist()
SMALL = TaskOptions(seed=1, epochs=6, batch_size=24, steps=5)


def variable_task(samples: Samples, options: TaskOptions = SMALL) -> InBatchTask:
    return InBatchTask(variable_curriculum(samples, options), options)


def patient_task(samples: Samples, options: TaskOptions = SMALL) -> InBatchTask:
    return InBatchTask(patient_curriculum(samples, options), options)


def test_the_default_is_a_tenth_of_the_papers_passes(make_samples: Callable[..., Samples]) -> None:
    plans = variable_task(make_samples(VALUES), TaskOptions()).epoch(0)
    assert len(plans) == 21
    assert {len(plan.rows) for plan in plans} == {96}
    assert sum(len(plan.rows) for plan in plans) == 2016


def test_labels_are_those_of_the_stage(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(VALUES, exams=("D15", "M3"))
    task = variable_task(samples)
    for epoch, (low, high) in ((0, (5, 30)), (5, (10, 15))):
        plan = task.epoch(epoch)[0]
        label, values = plan.targets["label"], samples.values[plan.rows]
        difference = np.abs(values[:, None] - values[None, :])
        other = samples.patients[plan.rows][:, None] != samples.patients[plan.rows][None, :]
        assert label.dtype == np.int8
        assert np.array_equal(label == 1, (difference < low) & other)
        assert np.array_equal(label == 0, (difference >= high) & other)


def test_images_are_used_equally_and_never_twice_in_a_step(make_samples: Callable[..., Samples]) -> None:
    plans = variable_task(make_samples(VALUES[:50]), replace(SMALL, steps=25)).epoch(0)
    assert all(len(set(plan.rows.tolist())) == 24 for plan in plans)
    used = Counter(row for plan in plans for row in plan.rows.tolist())
    assert set(used.values()) == {12}
    keys = np.concatenate([plan.keys for plan in plans])
    assert len(np.unique(keys)) == len(keys)


def test_cycle_uses_each_row_before_one_is_used_again() -> None:
    batches = list(cycle(np.arange(7), 3, 14, np.random.default_rng(0)))
    used = np.zeros(7, int)
    for batch in batches:
        assert len(set(batch.tolist())) == 3
        used[batch] += 1
        assert used.max() - used.min() <= 2
    assert set(used) == {6}


@pytest.mark.parametrize("epoch", [0, 5])
def test_each_drawn_patient_has_two_exams(make_samples: Callable[..., Samples], epoch: int) -> None:
    samples = make_samples(patients=40, exams=("D15", "M3", "M12"), sequences=("a", "b"))
    for plan in patient_task(samples).epoch(epoch):
        assert len(plan.rows) == 24
        assert len(set(plan.rows.tolist())) == 24
        for patient in set(samples.patients[plan.rows]):
            drawn = plan.rows[samples.patients[plan.rows] == patient]
            assert len(set(samples.exams[drawn])) >= 2
        assert (plan.targets["label"] == 1).any()


def test_few_patients_bring_more_images_each(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=5, exams=("D15", "M1", "M3", "M12"))
    plan = patient_task(samples).epoch(0)[0]
    assert Counter(samples.patients[plan.rows]) == dict.fromkeys(set(samples.patients), 4)


def test_patients_without_a_positive_pair_are_left_out_and_told(
    make_samples: Callable[..., Samples], make_store: Callable[..., Any]
) -> None:
    both = make_samples(patients=6, exams=("D15", "M3"), sequences=("a", "b"))
    kept = np.array([not (p == "P0000" and e == "M3") for p, e in zip(both.patients, both.exams, strict=True)])
    samples = replace(
        both,
        entries=[entry for entry, keep in zip(both.entries, kept, strict=True) if keep],
        **{name: getattr(both, name)[kept] for name in ("cases", "patients", "exams", "sequences", "splits")},
    )
    task = patient_task(samples)
    first, second = ({p for plan in task.epoch(epoch) for p in samples.patients[plan.rows]} for epoch in (0, 5))
    assert "P0000" in first, "two sequences of one exam are a pair in the first half"
    assert "P0000" not in second
    assert any("2 training images are of patients without a positive pair" in note for note in task.notes)


def test_a_small_cohort_makes_smaller_batches_and_says_so(make_samples: Callable[..., Samples]) -> None:
    task = variable_task(make_samples(VALUES[:10]))
    assert {len(plan.rows) for plan in task.epoch(0)} == {10}
    assert any("there are 10 training images" in note for note in task.notes)


@pytest.mark.parametrize("change", [{"steps": 3}, {"batch_size": 10}, {"seed": 2}, {"thresholds": "3,25"}])
def test_each_option_changes_the_epoch(
    make_samples: Callable[..., Samples], case_plans: Callable[..., Any], change: dict[str, Any]
) -> None:
    samples = make_samples(VALUES)
    plain = case_plans(samples, variable_task(samples).epoch(0))
    changed = variable_task(samples, replace(SMALL, **change)).epoch(0)
    assert case_plans(samples, changed) != plain
    assert len(changed) == change.get("steps", 5)
    assert len(changed[0].rows) == change.get("batch_size", 24)


@pytest.mark.parametrize("make_task", [variable_task, patient_task])
def test_an_epoch_depends_on_its_number_only(
    make_samples: Callable[..., Samples], case_plans: Callable[..., Any], make_task: Callable[..., InBatchTask]
) -> None:
    plans = []
    for shuffle, calls in ((None, (0, 1, 4)), (3, (4,))):
        samples = make_samples(VALUES, exams=("D15", "M3"), validation=20, shuffle=shuffle)
        task = make_task(samples)
        plans.append([case_plans(samples, task.epoch(epoch)) for epoch in calls][-1])
        held_out = case_plans(samples, task.validation())
        assert held_out == case_plans(samples, make_task(samples).validation())
        assert {samples.splits[row] for plan in task.epoch(0) for row in plan.rows} == {"train"}
    assert plans[0] == plans[1]
