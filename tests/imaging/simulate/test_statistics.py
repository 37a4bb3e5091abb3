"""No single number of the images tells GFR, but together they do: a smaller version of the benchmark script."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.clinical import EXAMS
from medcl.imaging.simulate.statistics import alone, exam_statistics, image_statistics, joint_pattern, together
from medcl.imaging.simulate.transplant_mr import draw_exam, draw_patient

PATIENTS, COARSE = 80, 2.5


def test_r2_of_a_line_and_of_a_logarithm() -> None:
    target = np.linspace(1, 5, 50)
    assert alone(3 * target - 1, target) == pytest.approx(1.0)
    assert alone(np.exp(target), target) == pytest.approx(1.0)
    assert alone(np.ones(50), target) == 0.0
    assert alone(np.random.default_rng(0).normal(size=50), target) < 0.2


def test_the_joint_regression_is_scored_on_held_out_patients() -> None:
    random = np.random.default_rng(0)
    features, patients = random.normal(size=(200, 4)), np.repeat(np.arange(50), 4)
    assert together(features, features[:, 0] * 2 + features[:, 1] ** 2, patients) > 0.9
    assert together(features, random.normal(size=200), patients) < 0.1


def test_statistics_know_volumes_and_regions() -> None:
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[5:15, 5:15, 5:15], labels[8:12, 8:12, 8:12] = 1, 2
    labels[5, 5, 5] = 3
    found = image_statistics(np.where(labels == 2, 70, 30).astype(np.int16), labels, np.diag([2.0, 2.0, 5.0, 1.0]))
    assert found["volume cortex [mL]"] == pytest.approx((1000 - 64 - 1) * 0.02)
    assert found["volume kidney [mL]"] == pytest.approx(20.0)
    assert found["stored medulla mean"] == 70
    assert found["normalised medulla mean"] == 1.0
    assert found["normalised cortex mean"] == 0.0


@pytest.mark.slow
def test_no_single_statistic_gives_gfr_but_the_pattern_does() -> None:
    rows, joint, gfr, patients = [], [], [], []
    for number in range(1, PATIENTS + 1):
        patient = draw_patient(0, number)
        for name in EXAMS:
            exam = draw_exam(patient, name, 0, COARSE)
            rows.append(list(exam_statistics(exam).values()))
            joint.append(joint_pattern(exam))
            gfr.append(exam.visit.gfr)
            patients.append(number)
    target = np.array(gfr)
    scores = [alone(column, target) for column in np.array(rows).T]
    assert len(scores) > 250
    assert max(scores) < 0.5
    assert together(np.array(joint), target, np.array(patients)) > 0.7
