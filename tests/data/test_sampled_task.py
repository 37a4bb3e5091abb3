"""Counts, shares, repeats and determinism of the explicit pairs, and the integrity of their validation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medcl.data.patient_pairs import patient_curriculum
from medcl.data.plan import BatchPlan
from medcl.data.sampled_task import SampledTask
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.variable_pairs import variable_curriculum

VALUES = np.random.default_rng(0).normal(50, 20, 120).tolist()
SMALL = TaskOptions(seed=1, epochs=6, pairs=400, batch_size=48)


def variable_task(samples: Samples, options: TaskOptions = SMALL) -> SampledTask:
    return SampledTask(variable_curriculum(samples, options), options)


def pairs_of(plans: list[BatchPlan], label: int | None = None) -> list[tuple[int, int]]:
    pairs = []
    for plan in plans:
        for pair, y in zip(plan.rows.reshape(-1, 2).tolist(), plan.targets["label"].tolist(), strict=True):
            if label is None or y == label:
                pairs.append(tuple(sorted(pair)))
    return pairs


def test_the_papers_epoch(make_samples: Callable[..., Samples]) -> None:
    options = TaskOptions()
    plans = variable_task(make_samples(VALUES, exams=("D15", "M3", "M12")), options).epoch(0)
    assert len(pairs_of(plans)) == 10_000
    assert len(pairs_of(plans, 1)) == 2_500
    assert {len(plan.targets["label"]) for plan in plans} <= {47, 48}


def test_pairs_keep_to_their_labels(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(VALUES, exams=("D15", "M3"))
    task = variable_task(samples)
    for epoch, (low, high) in ((0, (5, 30)), (2, (10, 20)), (5, (10, 15))):
        for label in (1, 0):
            first, second = np.array(pairs_of(task.epoch(epoch), label)).T
            difference = np.abs(samples.values[first] - samples.values[second])
            assert (difference < low).all() if label else (difference >= high).all()
            assert (samples.patients[first] != samples.patients[second]).all()


def test_positives_are_fixed_and_negatives_are_redrawn(make_samples: Callable[..., Samples]) -> None:
    task = variable_task(make_samples(VALUES))
    first, second = task.epoch(0), task.epoch(1)  # both in stage 1
    assert Counter(pairs_of(first, 1)) == Counter(pairs_of(second, 1))
    assert pairs_of(first, 1) != pairs_of(second, 1), "the order is new"
    shared = set(pairs_of(first, 0)) & set(pairs_of(second, 0))
    assert len(shared) < 0.5 * len(pairs_of(first, 0))
    assert len(set(pairs_of(first, 0))) == 300, "no negative twice in an epoch"


def test_stages_of_equal_definition_have_equal_positives(make_samples: Callable[..., Samples]) -> None:
    options = replace(SMALL, thresholds="5,20 9,20 5,20")
    task = variable_task(make_samples(VALUES), options)
    assert set(pairs_of(task.epoch(0), 1)) == set(pairs_of(task.epoch(5), 1))
    assert set(pairs_of(task.epoch(0), 1)) != set(pairs_of(task.epoch(3), 1))


def test_many_negatives_are_spread_over_all_there_are(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(VALUES[:30])
    options = replace(SMALL, epochs=60)
    task = variable_task(samples, options)
    seen = {pair for epoch in range(20) for pair in pairs_of(task.epoch(epoch), 0)}
    assert len(seen) == task.curriculum_counts[0][1]


def test_few_positives_are_repeated_evenly_under_new_keys(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=20, exams=("D15", "M3"))
    options = replace(SMALL, pairs=400)
    task = SampledTask(patient_curriculum(samples, options), options)
    plans = task.epoch(0)
    counts = Counter(pairs_of(plans, 1))
    assert len(counts) == 20
    assert sum(counts.values()) == 100
    assert set(counts.values()) == {5}
    assert task.describe()["stages"][0]["repeat_factor"] == 5
    assert any("repeated 5.0 times" in note for note in task.notes)
    keys = np.concatenate([plan.keys for plan in plans])
    assert len(np.unique(keys)) == len(keys) == 800


def test_repeats_that_do_not_divide_are_shared_differently_in_each_epoch(
    make_samples: Callable[..., Samples],
) -> None:
    samples = make_samples(patients=30, exams=("D15", "M3"))
    options = replace(SMALL, pairs=160)  # 40 positives from 30
    task = SampledTask(patient_curriculum(samples, options), options)
    twice = [
        {pair for pair, count in Counter(pairs_of(task.epoch(epoch), 1)).items() if count == 2} for epoch in (0, 1)
    ]
    assert [len(pairs) for pairs in twice] == [10, 10]
    assert twice[0] != twice[1]


def test_few_negatives_shorten_the_epoch_and_keep_the_share(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples([40, 41, 42, 43, 75])
    task = variable_task(samples, replace(SMALL, thresholds="5,30"))
    plans = task.epoch(0)
    assert len(pairs_of(plans, 0)) == 4
    assert len(pairs_of(plans, 1)) == 1
    assert any("only 4 negative pairs" in note for note in task.notes)


def test_a_tiny_cohort_makes_one_batch(make_samples: Callable[..., Samples]) -> None:
    task = variable_task(make_samples([40, 44, 55, 72]))
    plans = task.epoch(0)
    assert len(plans) == 1
    assert sorted(plans[0].targets["label"].tolist()) == [0, 1]


@pytest.mark.parametrize(
    "change",
    [{"pairs": 200}, {"positive_share": 0.5}, {"batch_size": 10}, {"seed": 2}, {"thresholds": "3,25"}],
)
def test_each_option_changes_the_epoch(make_samples: Callable[..., Samples], change: dict[str, Any]) -> None:
    samples = make_samples(VALUES)
    plain = [plan.rows.tolist() for plan in variable_task(samples).epoch(0)]
    changed = variable_task(samples, replace(SMALL, **change)).epoch(0)
    assert [plan.rows.tolist() for plan in changed] != plain
    if "positive_share" in change:
        assert len(pairs_of(changed, 1)) == 200
    if "batch_size" in change:
        assert {len(plan.rows) for plan in changed} == {20}


def assert_epochs_do_not_depend_on_earlier_calls(
    samples: Samples, task_of: Callable[[], SampledTask], plain: Callable[..., Any]
) -> None:
    unbroken = task_of()
    expected = [plain(samples, unbroken.epoch(epoch)) for epoch in range(6)]
    resumed = task_of()
    for epoch in (4, 5, 0, 3):
        assert plain(samples, resumed.epoch(epoch)) == expected[epoch]


class OneGenerator(SampledTask):
    """Draws on from where the last call ended, so that a resumed run sees other pairs."""

    def epoch(self, epoch: int) -> list[BatchPlan]:
        self.calls = getattr(self, "calls", -1) + 1
        return super().epoch(min(self.calls, 5))


def test_an_epoch_depends_on_its_number_and_not_on_earlier_calls(
    make_samples: Callable[..., Samples], case_plans: Callable[..., Any]
) -> None:
    samples = make_samples(VALUES, exams=("D15", "M3"), validation=20)
    assert_epochs_do_not_depend_on_earlier_calls(samples, lambda: variable_task(samples), case_plans)
    with pytest.raises(AssertionError):
        assert_epochs_do_not_depend_on_earlier_calls(
            samples, lambda: OneGenerator(variable_curriculum(samples, SMALL), SMALL), case_plans
        )


def test_the_order_of_listing_files_does_not_matter(
    make_samples: Callable[..., Samples], case_plans: Callable[..., Any]
) -> None:
    plans = []
    for shuffle in (None, 5):
        samples = make_samples(VALUES, exams=("D15", "M3"), validation=20, shuffle=shuffle)
        task = variable_task(samples)
        plans.append((case_plans(samples, task.epoch(2)), case_plans(samples, task.validation())))
    assert plans[0] == plans[1]


def test_validation_patients_are_in_no_training_pair(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(VALUES, exams=("D15", "M3"), validation=30)
    task = variable_task(samples)
    trained = {row for epoch in range(6) for plan in task.epoch(epoch) for row in plan.rows.tolist()}
    validated = {row for plan in task.validation() for row in plan.rows.tolist()}
    assert {samples.splits[row] for row in trained} == {"train"}
    assert {samples.splits[row] for row in validated} == {"val"}
    assert not {samples.patients[row] for row in trained} & {samples.patients[row] for row in validated}


def assert_validation_is_fixed(samples: Samples, task_of: Callable[[], Any], plain: Callable[..., Any]) -> None:
    """The validation is the same at every stage, after any calls, and in a task that a resume has built."""
    task = task_of()
    before = plain(samples, task.validation())
    for epoch in range(6):
        task.epoch(epoch)
        assert plain(samples, task.validation()) == before
    resumed = task_of()
    resumed.epoch(5)
    assert plain(samples, resumed.validation()) == before


class RedrawnValidation(SampledTask):
    """Draws the validation anew at each curriculum step, as the public code does."""

    def epoch(self, epoch: int) -> list[BatchPlan]:
        self.now = epoch
        return super().epoch(epoch)

    def validation(self) -> list[BatchPlan]:
        rule = self.curriculum.rules[self.curriculum.stage(getattr(self, "now", 0))]
        rows = self.curriculum.validation_rows
        return [BatchPlan(rows, np.arange(len(rows)), {"label": rule.label(rows)}, augment="none")]


def test_the_validation_is_fixed_for_the_run(
    make_samples: Callable[..., Samples], case_plans: Callable[..., Any]
) -> None:
    samples = make_samples(VALUES, validation=30)
    assert_validation_is_fixed(samples, lambda: variable_task(samples), case_plans)
    with pytest.raises(AssertionError):
        assert_validation_is_fixed(
            samples, lambda: RedrawnValidation(variable_curriculum(samples, SMALL), SMALL), case_plans
        )


def test_describe_is_plain_and_complete(make_samples: Callable[..., Samples]) -> None:
    import json

    described = variable_task(make_samples(VALUES, validation=20)).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["thresholds"] == [[5, 30], [10, 20], [10, 15]]
    assert described["stages"][0]["positives"] == 100
    assert described["validation"]["images"] == 20
