from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.clustering_scores import clustering_scores

TRUTH = np.array(["a", "a", "a", "b", "b", "b"])


def test_the_same_partition_under_other_names() -> None:
    found = clustering_scores(TRUTH, np.array([1, 1, 1, 0, 0, 0]), 2)
    assert (found.nmi, found.ari, found.hungarian, found.purity) == pytest.approx((1, 1, 1, 1))
    assert (found.clusters, found.classes) == (2, 2)


def test_known_answers() -> None:
    """Table a: 2 1, b: 0 3. Of 15 pairs 3 + 1 = 4 lie together in both; 6 in the truth, 1 + 6 = 7 in the clusters."""
    clusters = np.array([0, 0, 1, 1, 1, 1])
    found = clustering_scores(TRUTH, clusters, 2)
    assert found.ari == pytest.approx((4 - 6 * 7 / 15) / ((6 + 7) / 2 - 6 * 7 / 15))
    joint = sum(-n / 6 * np.log(n / 6) for n in (2, 1, 3))
    truth, own = np.log(2), -2 / 6 * np.log(2 / 6) - 4 / 6 * np.log(4 / 6)
    assert found.nmi == pytest.approx((truth + own - joint) / ((truth + own) / 2))
    assert found.hungarian == pytest.approx(5 / 6)
    assert found.purity == pytest.approx(5 / 6)


def test_hungarian_gives_each_class_one_cluster_where_purity_does_not() -> None:
    """Table a: 3 0, b: 2 1: one to one gives 3 + 1, purity 3 + 1; table a: 3 3, b: 1 2 gives 3 + 2 and 3 + 3."""
    truth = np.array(["a"] * 6 + ["b"] * 3)
    clusters = np.array([0, 0, 0, 1, 1, 1, 0, 1, 1])
    found = clustering_scores(truth, clusters, 2)
    assert found.hungarian == pytest.approx(5 / 9)
    assert found.purity == pytest.approx(6 / 9)


def test_hungarian_accuracy_only_where_there_are_as_many_clusters_as_classes() -> None:
    clusters = np.array([0, 0, 1, 1, 2, 2])
    assert clustering_scores(TRUTH, clusters, 3).hungarian is None
    assert clustering_scores(TRUTH, clusters, 3, classes=3).hungarian == pytest.approx(4 / 6)
    assert clustering_scores(TRUTH, np.array([0, 0, 0, 1, 1, 1]), 3).clusters == 3


def test_purity_grows_with_clusters() -> None:
    assert clustering_scores(TRUTH, np.zeros(6, dtype=int), 1).purity == 0.5
    assert clustering_scores(TRUTH, np.arange(6), 6).purity == 1
