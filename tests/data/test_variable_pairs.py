"""Known answers of the variable task, what it refuses, and that validation patients never set a threshold."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medcl.data.curriculum import Curriculum
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.variable_pairs import variable_curriculum
from medcl.study.errors import BadInput

KNOWN = [40.0, 44.0, 55.0, 72.0]


def pairs_by_label(samples: Samples, curriculum: Curriculum, stage: int) -> dict[int, set[tuple[float, float]]]:
    """The values of the pairs of each label, from the label matrix, checked against the pair spaces."""
    rule, rows = curriculum.rules[stage], curriculum.rows
    label, values = rule.label(rows), samples.values
    found: dict[int, set[tuple[float, float]]] = {1: set(), 0: set(), -1: set()}
    for i, j in itertools.combinations(range(len(rows)), 2):
        assert label[i, j] == label[j, i]
        found[int(label[i, j])].add((values[rows[i]], values[rows[j]]))
    for y, space in ((1, rule.positives(rows)), (0, rule.negatives(rows))):
        listed = {tuple(sorted(values[pair])) for block in space.blocks() for pair in block}
        assert listed == {tuple(sorted(pair)) for pair in found[y]}
    assert (np.diagonal(label) == -1).all()
    return found


def test_known_answers_for_gfr(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(KNOWN)
    curriculum = variable_curriculum(samples, TaskOptions())
    first, last = (pairs_by_label(samples, curriculum, stage) for stage in (0, 2))
    assert first[1] == {(40, 44)}
    assert first[0] == {(40, 72)}
    assert last[1] == {(40, 44)}
    assert last[0] == {(40, 55), (40, 72), (44, 72), (55, 72)}
    assert last[-1] == {(44, 55)}


def test_gfr_has_the_papers_stages_of_equal_length(make_samples: Callable[..., Samples]) -> None:
    curriculum = variable_curriculum(make_samples(KNOWN), TaskOptions(epochs=60))
    assert curriculum.facts["thresholds"] == [[5, 30], [10, 20], [10, 15]]
    assert [curriculum.stage(epoch) for epoch in (0, 19, 20, 39, 40, 59)] == [0, 0, 1, 1, 2, 2]
    with pytest.raises(ValueError, match="outside"):
        curriculum.stage(60)


def test_gfr_in_another_unit_gets_auto_thresholds(make_samples: Callable[..., Samples]) -> None:
    samples = dataclasses.replace(make_samples(KNOWN), label="gfr [mL/s]")
    assert "auto" in variable_curriculum(samples, TaskOptions(epochs=60)).notes[0]


def test_exams_of_one_patient_are_never_a_pair(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(KNOWN, exams=("D15", "M3"))
    curriculum = variable_curriculum(samples, TaskOptions())
    label = curriculum.rules[0].label(curriculum.rows)
    same = samples.patients[:, None] == samples.patients[None, :]
    assert (label[same] == -1).all()
    assert curriculum.counts()[0] == (4, 4)


def test_given_thresholds_win(make_samples: Callable[..., Samples]) -> None:
    curriculum = variable_curriculum(make_samples(KNOWN), TaskOptions(thresholds="12,20"))
    assert curriculum.facts["thresholds"] == [[12, 20]]
    assert curriculum.counts() == [(2, 2)]


def test_other_numeric_variables_get_auto_thresholds(make_samples: Callable[..., Samples]) -> None:
    values = np.random.default_rng(0).normal(50, 15, 40).tolist()
    by_default = variable_curriculum(make_samples(values, variable="donor_age"), TaskOptions())
    asked_for = variable_curriculum(make_samples(values), TaskOptions(thresholds="auto"))
    assert by_default.facts["thresholds"] == asked_for.facts["thresholds"]
    assert by_default.facts["thresholds"] != [[5, 30], [10, 20], [10, 15]]
    assert "auto" in by_default.facts["thresholds_from"]
    assert by_default.notes[0].startswith("thresholds of donor_age [mL/min/1.73m2]: ")


def test_classes_are_equal_or_differ(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples([0, 0, 1, 2], classes=("low", "mid", "high"), variable="risk")
    curriculum = variable_curriculum(samples, TaskOptions())
    found = pairs_by_label(samples, curriculum, 0)
    assert found[1] == {(0, 0)}
    assert found[0] == {(0, 1), (0, 2), (1, 2)}


def test_ordered_classes_differ_by_at_least_k(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples([0, 0, 1, 2], classes=("low", "mid", "high"), variable="risk")
    curriculum = variable_curriculum(samples, TaskOptions(differs_by=2))
    found = pairs_by_label(samples, curriculum, 0)
    assert found[0] == {(0, 2)}
    assert found[-1] == {(0, 1), (1, 2)}
    assert "low < mid < high" in curriculum.facts["thresholds_from"]


def test_ordinal_numbers_differ_by_at_least_k(make_samples: Callable[..., Samples]) -> None:
    curriculum = variable_curriculum(make_samples([1, 1, 2, 3], variable="grade"), TaskOptions(differs_by=2))
    assert curriculum.counts() == [(1, 2)]


def test_missing_values_are_left_out_and_told(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples([*KNOWN, np.nan, np.nan], validation=1)
    curriculum = variable_curriculum(samples, TaskOptions())
    assert len(curriculum.rows) == 4
    assert len(curriculum.validation_rows) == 0
    assert curriculum.facts["missing"] == 1
    assert any("1 of 5 training images have no value of gfr" in note for note in curriculum.notes)
    assert any("1 of 1 validation images" in note for note in curriculum.notes)
    label = curriculum.rules[0].label(np.arange(6))
    assert (label[4:] == -1).all()


def test_fewer_epochs_than_stages_are_told(make_samples: Callable[..., Samples]) -> None:
    curriculum = variable_curriculum(make_samples(KNOWN), TaskOptions(epochs=2))
    assert any("do not reach all 3 stages" in note for note in curriculum.notes)


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        ({"values": [40.0, 41.0, 42.0]}, {}, ["stage 1", "3 positive, 0 negative", "stage 3", "span 40 to 42"]),
        ({"values": [0.0, 50.0, 100.0]}, {}, ["0 positive, 3 negative", "--thresholds"]),
        ({"values": [0.0, 1.0], "classes": ("a", "b")}, {}, ["0 positive, 1 negative", "two patients of one class"]),
        ({"values": [0.0, 1.0], "classes": ("a", "b")}, {"thresholds": "5,30"}, ["classes (a, b)", "--differs-by"]),
        ({"values": [40.0], "exams": ("D15", "M3")}, {}, ["one patient", "P0000"]),
        ({"values": [np.nan, np.nan]}, {}, ["no training image", "value of gfr"]),
        ({"patients": 3}, {}, ["--variable"]),
        ({"values": [1.0, 2.0]}, {"thresholds": "30,5"}, ["above t_neg"]),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    make_samples: Callable[..., Samples], make: dict[str, Any], options: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(BadInput) as refused:
        variable_curriculum(make_samples(**make), TaskOptions(**options))
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_options_that_contradict_are_refused_with_all_other_problems() -> None:
    with pytest.raises(BadInput) as refused:
        TaskOptions(thresholds="5,30", differs_by=1, epochs=0, positive_share=1.0)
    assert len(refused.value.problems) == 3


def assert_validation_patients_set_no_threshold(
    samples: Samples, curriculum_of: Callable[[Samples, TaskOptions], Curriculum]
) -> None:
    """Whatever the validation patients' values are, the thresholds stay."""
    options = TaskOptions(thresholds="auto")
    held_out = samples.rows("val")
    assert len(held_out) > 3
    expected = curriculum_of(samples, options).facts["thresholds"]
    for factor in (0.0, 10.0):
        values = samples.values.copy()
        values[held_out] *= factor
        assert curriculum_of(replace(samples, values=values), options).facts["thresholds"] == expected


def broken_curriculum(samples: Samples, options: TaskOptions) -> Curriculum:
    """Takes thresholds from everybody."""
    return variable_curriculum(replace(samples, splits=np.full(len(samples), "train")), options)


def test_thresholds_come_from_training_patients_only(make_samples: Callable[..., Samples]) -> None:
    values = np.random.default_rng(1).normal(50, 15, 40).tolist()
    samples = make_samples(values, validation=12)
    assert_validation_patients_set_no_threshold(samples, variable_curriculum)
    with pytest.raises(AssertionError):
        assert_validation_patients_set_no_threshold(samples, broken_curriculum)
