"""Which pairs of validation patients are judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.validation_blocks import ValidationBlocks
from medcl.data.variable_pairs import variable_curriculum

TRAINING = [40.0, 44.0, 55.0, 72.0]


def blocks(samples: Samples, **options: object) -> ValidationBlocks:
    chosen = TaskOptions(**options)
    return ValidationBlocks(variable_curriculum(samples, chosen), chosen)


def test_all_pairs_by_the_last_stage_without_augmentation(make_samples: Callable[..., Samples]) -> None:
    held_out = blocks(make_samples([*TRAINING, 10.0, 19.0, 34.0], validation=3))
    (plan,) = held_out.plans
    assert plan.augment == "none"
    assert held_out.facts["positives"] == 1  # 10-19 differ by 9: positive at (10, 15), not at (5, 30)
    assert held_out.facts["negatives"] == 2
    assert held_out.notes == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([10.0, 11.0], "no negative pair"),
        ([10.0, 50.0], "no positive pair"),
        ([10.0, 22.0], "give no pair"),
        ([], "not validated"),
        ([np.nan], "not validated"),
    ],
)
def test_missing_labels_are_told(make_samples: Callable[..., Samples], values: list[float], words: str) -> None:
    held_out = blocks(make_samples([*TRAINING, *values], validation=len(values)))
    assert any(words in note for note in held_out.notes), held_out.notes
    if "not validated" in " ".join(held_out.notes):
        assert held_out.plans == []


def test_many_images_are_packed_by_patient_and_capped(make_samples: Callable[..., Samples]) -> None:
    values = [*TRAINING, *np.random.default_rng(0).normal(50, 20, 150).tolist()]
    samples = make_samples(values, exams=("D15", "M3", "M12"), validation=150)
    everyone = blocks(samples).plans
    assert sum(len(plan.rows) for plan in everyone) == 450
    assert max(len(plan.rows) for plan in everyone) <= 96
    assert min(len(plan.rows) for plan in everyone[:-1]) > 90
    homes = [set(samples.patients[plan.rows]) for plan in everyone]
    assert sum(len(home) for home in homes) == 150, "a patient was cut"
    some = blocks(samples, validation_images=100).plans
    assert sum(len(plan.rows) for plan in some) == 100
    other = blocks(samples, validation_images=100, seed=1).plans
    assert [plan.rows.tolist() for plan in other] != [plan.rows.tolist() for plan in some]


def test_a_patient_larger_than_a_block_is_cut(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples([*TRAINING, 10.0, 50.0], exams=tuple(f"M{m}" for m in range(120)), validation=2)
    held_out = blocks(samples)
    assert max(len(plan.rows) for plan in held_out.plans) <= 96
    assert all(len(set(samples.patients[plan.rows])) == 2 for plan in held_out.plans)
    assert held_out.facts["images"] == 240
