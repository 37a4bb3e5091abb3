from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medcl.evaluation.exam_rows import exam_rows
from medcl.evaluation.feature_table import FeatureTable
from medcl.study.errors import BadInput


def table(*rows: tuple[int, str, str, str, str, float]) -> FeatureTable:
    folds, patients, exams, sequences, splits, values = (np.array(each) for each in zip(*rows, strict=True))
    features = np.stack([values, 10 * values], axis=1).astype(np.float32)
    return FeatureTable(Path("A.csv"), patients, exams, sequences, splits, folds, features)


TABLE = table(
    (1, "P1", "M3", "water", "train", 1),
    (1, "P1", "M3", "art", "train", 3),
    (1, "P1", "M12", "art", "train", 5),
    (2, "P1", "M3", "water", "test", 7),
    (2, "P1", "M3", "art", "test", 9),
)


def test_sequences_are_averaged_and_what_lacks_is_told() -> None:
    found = exam_rows(TABLE)
    assert list(zip(found.folds, found.patients, found.exams, found.splits, strict=True)) == [
        (1, "P1", "M3", "train"),
        (1, "P1", "M12", "train"),
        (2, "P1", "M3", "test"),
    ]
    assert found.features.tolist() == [[2, 20], [5, 50], [8, 80]]
    assert set(found.sequences) == {""}
    assert found.notes == ("1 row of an exam lacking a sequence (water in 1) are averaged over those that they have.",)


def test_sequences_side_by_side() -> None:
    found = exam_rows(TABLE, "concatenate")
    assert found.features.tolist() == [[3, 30, 1, 10], [9, 90, 7, 70]]
    assert found.exams.tolist() == ["M3", "M3"]
    assert "are left out" in found.notes[0]


def test_two_images_of_one_sequence_are_averaged_first() -> None:
    twice = table((1, "P1", "M3", "a", "train", 1), (1, "P1", "M3", "a", "train", 3), (1, "P1", "M3", "b", "train", 8))
    assert exam_rows(twice, "concatenate").features.tolist() == [[2, 20, 8, 80]]
    assert exam_rows(twice).features.tolist() == [[4, 40]]


def test_what_cannot_be_joined_is_refused() -> None:
    with pytest.raises(BadInput, match=r"no exam has all 2 sequences \(a, b\)"):
        exam_rows(table((1, "P", "M3", "a", "train", 1), (1, "P", "M12", "b", "train", 1)), "concatenate")
    with pytest.raises(BadInput, match="row 3: exam M3 of patient P is test here and train above"):
        exam_rows(table((1, "P", "M3", "a", "train", 1), (1, "P", "M3", "b", "test", 1)))
