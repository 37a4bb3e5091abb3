from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medcl.evaluation import clustering_table
from medcl.evaluation.clustered import Clustered
from medcl.evaluation.clustering_table import EvaluationRow, evaluate_clustering
from medcl.evaluation.label_share import label_share
from medcl.study.errors import BadInput

COUNT = 160
GENERATOR = np.random.default_rng(0)
CENTRES = np.array([[4.0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 4, 0]])
CLUSTERS = GENERATOR.integers(0, 3, COUNT)
H = CENTRES[CLUSTERS] + GENERATOR.normal(size=(COUNT, 4))
Z = H / np.linalg.norm(H, axis=1, keepdims=True)
LABELS = np.where((CLUSTERS == 0) ^ (GENERATOR.random(COUNT) < 0.1), "well", "sick").astype(object)
SPLITS = np.repeat(["train", "val", "test"], [100, 30, 30])
SOFT = np.exp(Z @ CENTRES.T)
SOFT /= SOFT.sum(axis=1, keepdims=True)
RUN = Clustered(
    h=H,
    z=Z,
    clusters=CLUSTERS,
    count=3,
    labels=LABELS,
    patients=np.arange(COUNT).astype(str),
    splits=SPLITS,
    soft=SOFT,
    pixels=np.concatenate([H, GENERATOR.normal(size=(COUNT, 6))], axis=1),
)


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 epochs are for real runs; what is tested here does not depend on them."""
    fit = clustering_table.fit_linear_layer

    def quick(*arguments: Any, **told: Any) -> Any:
        return fit(*arguments, **told, epochs=3, learning_rate=0.1)

    monkeypatch.setattr(clustering_table, "fit_linear_layer", quick)


def test_every_method_at_both_budgets_on_both_splits() -> None:
    rows = evaluate_clustering(RUN, seeds=(0, 1))
    methods = [
        ("map from clusters", "clusters"),
        ("5 nearest neighbours", "h"),
        ("linear layer", "h"),
        ("5 nearest neighbours", "z"),
        ("linear layer", "z"),
        ("majority class", "none"),
        ("5 nearest neighbours", "pixels"),
        ("logistic regression", "pixels"),
        ("logistic regression, balanced", "pixels"),
        ("KMeans", "PCA10 of pixels"),
    ]
    expected = [
        (*method, share, labelled, split)
        for share, labelled in ((1.0, 100), (0.2, 20), (0.2, 20))
        for method in methods
        for split in ("val", "test")
    ]
    assert [(row.method, row.features, row.share, row.labelled, row.split) for row in rows] == expected
    assert {row.seed for row in rows if row.share != 1} == {0, 1}
    drawn = {(row.method, row.seed) for row in rows if row.share == 1 and row.seed is not None}
    assert drawn == {("linear layer", 0), ("KMeans", 0)}
    assert {row.scored for row in rows} == {30}
    assert all((row.clustering is not None) == (row.method in ("map from clusters", "KMeans")) for row in rows)
    ours, majority = (
        next(row for row in rows if row.method == name) for name in ("map from clusters", "majority class")
    )
    assert ours.scores.accuracy > 0.8 > majority.scores.accuracy
    assert ours.clustering is not None
    assert (ours.clustering.clusters, ours.clustering.classes, ours.clustering.hungarian) == (3, 2, None)
    assert evaluate_clustering(RUN, seeds=(0, 1)) == rows


def test_options_change_the_table() -> None:
    plain = evaluate_clustering(RUN, seeds=(0,))
    assert {row.labelled for row in evaluate_clustering(RUN, seeds=(0,), share=0.5)} == {100, 50}
    assert evaluate_clustering(RUN, seeds=(7,)) != plain
    assert {row.share for row in evaluate_clustering(RUN, share=1)} == {1.0}
    assert {row.split for row in evaluate_clustering(RUN, seeds=(0,), held_out=("test",))} == {"test"}
    scaled = evaluate_clustering(RUN, seeds=(0,), standardised=True)
    assert len(scaled) == len(plain) + 8
    assert "linear layer, standardised" in {row.method for row in scaled}
    hard = evaluate_clustering(replace(RUN, soft=None), seeds=(0,))
    assert hard[0].scores.auc != plain[0].scores.auc
    assert replace(hard[0].scores, auc=0) == replace(plain[0].scores, auc=0)
    bare = evaluate_clustering(replace(RUN, pixels=None), seeds=(0,))
    assert {row.method for row in bare if row.features in ("none", "pixels")} == {"majority class"}


def test_rows_without_a_label_are_neither_read_nor_scored() -> None:
    labels = LABELS.copy()
    labels[[0, 1, 100]] = [None, "", float("nan")]
    rows = evaluate_clustering(replace(RUN, labels=labels), seeds=(0,))
    assert {row.labelled for row in rows if row.share == 1} == {98}
    assert {row.scored for row in rows if row.split == "val"} == {29}


Evaluate = Callable[[Clustered], list[EvaluationRow]]


def assert_blind_to_held_out_labels(monkeypatch: pytest.MonkeyPatch, evaluate: Evaluate, split: str) -> None:
    """Whatever labels the rows of a split have, every prediction and share is the same."""
    scored = clustering_table.classification_scores
    said: list[Any] = []

    def recording(truth: Any, predicted: Any, shares: Any, classes: Any) -> Any:
        said.append((predicted.tolist(), shares.tolist()))
        return scored(truth, predicted, shares, classes)

    with monkeypatch.context() as patch:
        patch.setattr(clustering_table, "classification_scores", recording)
        evaluate(RUN)
        first = said.copy()
        said.clear()
        labels, held = LABELS.copy(), split == SPLITS
        labels[held] = np.where(LABELS[held] == "sick", "well", "sick")
        evaluate(replace(RUN, labels=labels))
    assert said == first


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_labels_change_no_prediction(monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    def honest(run: Clustered) -> list[EvaluationRow]:
        return evaluate_clustering(run, seeds=(0,))

    def broken(run: Clustered) -> list[EvaluationRow]:
        """Maps from the labels of the held-out rows, as the paper's public code does."""
        map_clusters, here = clustering_table.map_clusters, split == SPLITS

        def peeking(_: Any, __: Any, count: int) -> Any:
            return map_clusters(np.asarray(run.clusters)[here], np.asarray(run.labels)[here].astype(str), count)

        with monkeypatch.context() as patch:
            patch.setattr(clustering_table, "map_clusters", peeking)
            return evaluate_clustering(run, seeds=(0,))

    assert_blind_to_held_out_labels(monkeypatch, honest, split)
    with pytest.raises(AssertionError):
        assert_blind_to_held_out_labels(monkeypatch, broken, split)


def test_unlabelled_training_rows_change_no_prediction_at_the_share() -> None:
    """Between the draws of one seed only the drawn rows count; all other training labels may go."""
    people = np.arange(COUNT).astype(str)
    drawn = label_share(LABELS[:100].astype(str), people[:100], 0.2, seed=0)
    labels = LABELS.copy()
    labels[np.setdiff1d(np.arange(100), drawn)] = None
    few = evaluate_clustering(replace(RUN, labels=labels), share=1, seeds=(0,))
    share = [row for row in evaluate_clustering(RUN, share=0.2, seeds=(0,)) if row.share == 0.2]
    assert [row.scores for row in few] == [row.scores for row in share]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels": LABELS[:-1]}, "the run has 160 rows, but other numbers were given: labels 159"),
        ({"pixels": np.zeros((3, 2))}, "pixels 3"),
        ({"soft": np.ones((COUNT, 2))}, r"soft assignment is of \(160, 2\), expected \(160, 3\)"),
        ({"splits": np.repeat("test", COUNT)}, r"no row of the split train has a label \(0 rows stand in it\)"),
        ({"splits": np.repeat("train", COUNT)}, "no row of the split val or test has a label"),
        ({"labels": np.where(SPLITS == "train", None, LABELS)}, r"split train has a label \(100 rows stand in it\)"),
        ({"labels": np.where(SPLITS == "train", "sick", LABELS)}, "all labelled training rows have the class 'sick'"),
        ({"patients": np.repeat("P", COUNT)}, "1 patients stand in the training and in the held-out rows"),
        ({"z": np.where(np.arange(COUNT)[:, None] == 7, np.nan, Z)}, r"z of row 7 \(patient 7\) is not finite"),
        ({"count": 2, "soft": None}, "cluster 2 is none of the 2 clusters"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        evaluate_clustering(replace(RUN, **change), seeds=(0,))


def test_balanced_twins_stand_beside_every_method_that_can_have_one() -> None:
    plain = evaluate_clustering(RUN, seeds=(0,), held_out=("test",))
    both = evaluate_clustering(RUN, seeds=(0,), held_out=("test",), balanced=True)
    twins = [row for row in both if row not in plain]
    assert {(row.method, row.features) for row in twins} == {
        ("map from clusters, balanced", "clusters"),
        ("5 nearest neighbours, balanced", "h"),
        ("5 nearest neighbours, balanced", "z"),
        ("5 nearest neighbours, balanced", "pixels"),
        ("linear layer, balanced", "h"),
        ("linear layer, balanced", "z"),
        ("KMeans, balanced", "PCA10 of pixels"),
    }
    assert all(row.clustering is None for row in twins)
    named = {(row.method, row.features, row.share): row.scores for row in both}
    assert named[("linear layer, balanced", "z", 1.0)] != named[("linear layer", "z", 1.0)]
