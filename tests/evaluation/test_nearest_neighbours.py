from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.nearest_neighbours import nearest_neighbours
from medcl.study.errors import BadInput


def test_known_votes() -> None:
    bank = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [100.0]])
    labels = np.array(["a", "a", "b", "b", "b", "c"])
    said = nearest_neighbours(bank, labels, np.array([[0.0], [100.0]]))
    assert said.classes == ("a", "b", "c")
    assert said.predicted.tolist() == ["b", "b"]
    np.testing.assert_allclose(said.shares, [[0.4, 0.6, 0], [0.2, 0.6, 0.2]])
    assert nearest_neighbours(bank, labels, np.array([[0.0], [100.0]]), k=1).predicted.tolist() == ["a", "c"]


def test_the_metric_counts() -> None:
    bank = np.array([[1.0, 0.0], [0.0, 10.0]])
    labels = np.array(["along x", "along y"])
    row = np.array([[0.1, 1.0]])
    assert nearest_neighbours(bank, labels, row, k=1, metric="cosine").predicted.tolist() == ["along y"]
    assert nearest_neighbours(bank, labels, row, k=1, metric="euclidean").predicted.tolist() == ["along x"]


def test_a_tied_vote_goes_to_the_first_in_order() -> None:
    said = nearest_neighbours(np.array([[0.0], [1.0]]), np.array(["b", "a"]), np.array([[0.1]]), k=2)
    assert said.predicted.tolist() == ["a"]


def test_a_bank_that_is_too_small() -> None:
    with pytest.raises(BadInput, match="at least 5 labelled training rows, found 4"):
        nearest_neighbours(np.zeros((4, 2)), np.array(list("abab")), np.zeros((1, 2)))
