from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medcl.evaluation.label_share import label_share
from medcl.study.errors import BadInput

LABELS = np.repeat(["a", "b"], [60, 40])
OWN = np.arange(100).astype(str)


def test_a_share_of_every_class() -> None:
    rows = label_share(LABELS, OWN)
    assert (LABELS[rows] == "a").sum() == 12
    assert (LABELS[rows] == "b").sum() == 8
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(label_share(LABELS, OWN, 0.5)) == 50
    assert label_share(LABELS, OWN, 1).tolist() == list(range(100))


def test_the_seed_draws() -> None:
    assert label_share(LABELS, OWN, seed=4).tolist() == label_share(LABELS, OWN, seed=4).tolist()
    assert label_share(LABELS, OWN, seed=4).tolist() != label_share(LABELS, OWN, seed=5).tolist()


Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]


def assert_patients_stay_together(draw: Draw) -> None:
    people = np.repeat(np.arange(50), 2).astype(str)
    rows = draw(LABELS, people)
    drawn = set(people[rows])
    assert len(rows) == 20
    assert set(np.flatnonzero(np.isin(people, list(drawn)))) == set(rows)


def test_all_rows_of_a_patient_come_together() -> None:
    assert_patients_stay_together(lambda labels, people: label_share(labels, people))
    with pytest.raises(AssertionError):
        assert_patients_stay_together(lambda labels, people: label_share(labels, OWN))


def test_a_class_that_would_be_lost_is_told() -> None:
    labels = np.array(["a"] * 20 + ["rare"] * 2)
    with pytest.raises(BadInput, match=r"no row of the class 'rare' \(2 of 22 labelled training patients have it\)"):
        label_share(labels, np.arange(22).astype(str))
    assert "rare" in labels[label_share(labels, np.arange(22).astype(str), 0.25)]


@pytest.mark.parametrize("share", [0, -0.1, 1.01])
def test_a_share_outside_its_range(share: float) -> None:
    with pytest.raises(BadInput, match="above 0 and at most 1"):
        label_share(LABELS, OWN, share)
