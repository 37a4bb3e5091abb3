from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.cluster_map import map_clusters
from medcl.study.errors import BadInput


def test_the_mode_of_each_cluster() -> None:
    found = map_clusters([0, 0, 0, 1, 1, 2], np.array(["sick", "sick", "well", "well", "well", "sick"]), 3)
    assert found.classes == ("sick", "well")
    assert found.of_cluster.tolist() == ["sick", "well", "sick"]
    np.testing.assert_allclose(found.shares, [[2 / 3, 1 / 3], [0, 1], [1, 0]])
    assert found.counts.tolist() == [[2, 1], [0, 2], [1, 0]]
    assert found.notes == ()
    said = found.predict([2, 1, 0])
    assert said.predicted.tolist() == ["sick", "well", "sick"]
    np.testing.assert_allclose(said.shares, [[1, 0], [0, 1], [2 / 3, 1 / 3]])


def test_a_tie_goes_to_the_class_that_is_more_frequent_in_training() -> None:
    found = map_clusters([0, 0, 1, 1], np.array(["a", "b", "b", "b"]), 2)
    assert found.of_cluster.tolist() == ["b", "b"]
    assert "cluster 1: 1 labelled training rows of each of several classes" in found.notes[0]


def test_a_tie_of_equally_frequent_classes_goes_to_the_first_in_order() -> None:
    assert map_clusters([0, 0, 1, 1], np.array(["c", "b", "b", "c"]), 2).of_cluster.tolist() == ["b", "b"]


def test_an_empty_cluster_gets_the_majority_and_is_told() -> None:
    found = map_clusters([0, 0, 2], np.array(["b", "b", "a"]), 3)
    assert found.of_cluster.tolist() == ["b", "b", "a"]
    np.testing.assert_allclose(found.shares[1], [1 / 3, 2 / 3])
    assert found.notes == ("cluster 2 has no labelled training row: it is given the majority class 'b'.",)


def test_soft_assignments_tell_rows_of_one_cluster_apart() -> None:
    found = map_clusters([0, 0, 1, 1], np.array(["a", "a", "b", "b"]), 2)
    said = found.predict([0, 0], np.array([[0.9, 0.1], [0.6, 0.4]]))
    np.testing.assert_allclose(said.shares, [[0.9, 0.1], [0.6, 0.4]])
    assert said.predicted.tolist() == ["a", "a"]


def test_what_does_not_match_is_refused() -> None:
    labels = np.array(["a", "b"])
    with pytest.raises(BadInput, match="3 clusters and 2 labels"):
        map_clusters([0, 1, 1], labels, 2)
    with pytest.raises(BadInput, match="0 clusters and 0 labels"):
        map_clusters([], np.array([]), 2)
    with pytest.raises(BadInput, match="cluster 2 is none of the 2 clusters 0 to 1"):
        map_clusters([0, 2], labels, 2)
    with pytest.raises(BadInput, match="cluster -1 is none"):
        map_clusters([0, 1], labels, 2).predict([-1])
    with pytest.raises(BadInput, match=r"soft assignment is of \(2, 3\)"):
        map_clusters([0, 1], labels, 2).predict([0, 1], np.ones((2, 3)))


def test_the_balanced_map_gives_a_cluster_the_class_that_it_has_more_of_than_others() -> None:
    clusters = np.array([0] * 10 + [1] * 4)
    labels = np.array(["sick"] * 10 + ["sick", "sick", "well", "well"])
    plain = map_clusters(clusters, labels, 2)
    assert plain.of_cluster.tolist() == ["sick", "sick"]
    found = plain.balanced()
    assert found.of_cluster.tolist() == ["sick", "well"]
    assert found.shares[1] == pytest.approx([2 / 12 / (2 / 12 + 1), 1 / (2 / 12 + 1)])
    assert found.predict([1, 0]).predicted.tolist() == ["well", "sick"]
