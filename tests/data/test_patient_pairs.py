"""What is a positive pair of the patient task in each half of a run, and what it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medcl.data.patient_pairs import patient_curriculum
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.study.errors import BadInput


def test_the_second_half_wants_different_exams(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=3, exams=("D15", "M3"), sequences=("water", "arterial"))
    curriculum = patient_curriculum(samples, TaskOptions(epochs=60))
    assert [curriculum.stage(epoch) for epoch in (0, 29, 30, 59)] == [0, 0, 1, 1]
    assert curriculum.counts() == [(3 * 6, 48), (3 * 4, 48)]
    for rule, same_exam in zip(curriculum.rules, (True, False), strict=True):
        label = rule.label(curriculum.rows)
        for i, j in itertools.combinations(range(len(samples)), 2):
            if samples.patients[i] != samples.patients[j]:
                expected = 0
            elif same_exam or samples.exams[i] != samples.exams[j]:
                expected = 1
            else:
                expected = -1
            assert label[i, j] == label[j, i] == expected
        for y, space in ((1, rule.positives(curriculum.rows)), (0, rule.negatives(curriculum.rows))):
            listed = np.concatenate(list(space.blocks()))
            assert (label[listed[:, 0], listed[:, 1]] == y).all()
            assert len(listed) == (np.triu(label, 1) == 1).sum() if y else True


@pytest.mark.parametrize(("same_exam", "stages"), [("always", [18]), ("never", [12]), ("first-half", [18, 12])])
def test_same_exam_is_an_option(make_samples: Callable[..., Samples], same_exam: Any, stages: list[int]) -> None:
    samples = make_samples(patients=3, exams=("D15", "M3"), sequences=("water", "arterial"))
    curriculum = patient_curriculum(samples, TaskOptions(same_exam=same_exam))
    assert [positives for positives, _ in curriculum.counts()] == stages


def test_images_without_an_exam_are_told(make_samples: Callable[..., Samples]) -> None:
    samples = make_samples(patients=2, exams=("",), sequences=("water", "arterial"))
    curriculum = patient_curriculum(samples, TaskOptions(same_exam="always"))
    assert any("4 training images name no exam" in note for note in curriculum.notes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ({"patients": 3, "sequences": ("a", "b")}, ["stage 2", "0 positive", "--same-exam always"]),
        ({"patients": 3}, ["stage 1", "0 positive, 3 negative", "--method simclr"]),
        ({"patients": 1, "exams": ("D15", "M3")}, ["one patient"]),
        ({"patients": 3, "exams": ("D15", "M3"), "validation": 2}, ["one patient"]),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    make_samples: Callable[..., Samples], make: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(BadInput) as refused:
        patient_curriculum(make_samples(**make), TaskOptions())
    assert all(word in str(refused.value) for word in words), str(refused.value)
