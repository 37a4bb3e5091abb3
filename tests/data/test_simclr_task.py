"""Two views of each image, equal use of images, fixed validation views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medcl.data.samples import Samples
from medcl.data.simclr_task import SimclrTask
from medcl.data.task_options import TaskOptions
from medcl.study.errors import BadInput


def test_the_default_is_48_images_in_two_views_and_the_passes_of_10000_pairs(
    make_samples: Callable[..., Samples],
) -> None:
    plans = SimclrTask(make_samples(patients=100), TaskOptions()).epoch(0)
    assert {len(plan.rows) for plan in plans} == {96}
    assert sum(len(plan.rows) for plan in plans) == pytest.approx(20_000, rel=0.01)


def test_views_of_an_image_stand_side_by_side_under_different_keys(make_samples: Callable[..., Samples]) -> None:
    task = SimclrTask(make_samples(patients=30, validation=5), TaskOptions(batch_size=8, pairs=100))
    plans = task.epoch(3)
    for plan in plans:
        assert np.array_equal(plan.rows[0::2], plan.rows[1::2])
        assert len(set(plan.rows.tolist())) == 8
        assert plan.augment == "epoch"
    keys = np.concatenate([plan.keys for plan in plans])
    assert len(np.unique(keys)) == len(keys)
    used = Counter(row for plan in plans for row in plan.rows.tolist())
    assert max(used.values()) - min(used.values()) <= 2
    assert max(used) < 25, "a validation patient was trained on"


def test_deterministic_in_seed_and_epoch(make_samples: Callable[..., Samples], case_plans: Callable[..., Any]) -> None:
    def plans(shuffle: int | None, seed: int, *epochs: int) -> Any:
        samples = make_samples(patients=30, validation=5, shuffle=shuffle)
        task = SimclrTask(samples, TaskOptions(batch_size=8, pairs=40, seed=seed))
        return [case_plans(samples, task.epoch(epoch)) for epoch in epochs][-1], case_plans(samples, task.validation())

    expected = plans(None, 0, 0, 1, 2)
    assert plans(7, 0, 2) == expected
    assert plans(None, 1, 2)[0] != expected[0]
    assert plans(None, 0, 1)[0] != expected[0]


def test_validation_views_belong_to_the_plan(make_samples: Callable[..., Samples]) -> None:
    task = SimclrTask(make_samples(patients=40, validation=11), TaskOptions(batch_size=8))
    plans = task.validation()
    assert [plan.augment for plan in plans] == ["fixed"]
    assert len(plans[0].rows) == 22
    few = SimclrTask(make_samples(patients=40, validation=11), TaskOptions(batch_size=8, validation_images=3))
    assert sum(len(plan.rows) for plan in few.validation()) == 6


def test_small_cohorts(make_samples: Callable[..., Samples]) -> None:
    task = SimclrTask(make_samples(patients=6, validation=1), TaskOptions())
    assert {len(plan.rows) for plan in task.epoch(0)} == {10}
    assert task.validation() == []
    assert len(task.notes) == 2
    with pytest.raises(BadInput, match="two training images"):
        SimclrTask(make_samples(patients=1), TaskOptions())
