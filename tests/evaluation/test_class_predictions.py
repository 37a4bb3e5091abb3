from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.class_predictions import ClassPredictions, text_labels


def test_missing_labels_are_empty_text() -> None:
    assert text_labels(["a", None, float("nan"), "", 3]).tolist() == ["a", "", "", "", "3"]
    assert text_labels([]).tolist() == []
    assert text_labels(np.array(["a", "long"])).tolist() == ["a", "long"]


def test_some_rows() -> None:
    all_rows = ClassPredictions(("a", "b"), np.array(["a", "b", "a"]), np.array([[0.9, 0.1], [0.2, 0.8], [1, 0]]))
    some = all_rows.of(np.array([False, True, True]))
    assert some.predicted.tolist() == ["b", "a"]
    assert some.shares.tolist() == [[0.2, 0.8], [1, 0]]


def test_balanced_predictions_divide_by_how_frequent_classes_are() -> None:
    labels = np.array(["a"] * 9 + ["b"])
    plain = ClassPredictions(("a", "b"), np.array(["a", "a"]), np.array([[0.8, 0.2], [0.95, 0.05]]))
    found = plain.balanced(labels)
    # .8 / 9 against .2 / 1, and .95 / 9 against .05 / 1
    assert found.predicted.tolist() == ["b", "a"]
    assert found.shares[0] == pytest.approx([0.8 / 9 / (0.8 / 9 + 0.2), 0.2 / (0.8 / 9 + 0.2)])
    assert found.shares.sum(axis=1) == pytest.approx([1, 1])
    alike = plain.balanced(np.array(["a", "b"]))
    assert alike.shares == pytest.approx(plain.shares)
