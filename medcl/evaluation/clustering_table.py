"""The table of a clustering with labels: the run's map, neighbours and linear layers, and every baseline beside them.

The three ways of Ferrante and colleagues ("Contrastive learning for unsupervised medical image clustering and
reconstruction"): map from clusters, k nearest neighbours, linear layer. Every row of the table tells how many training
labels it has read; all of one budget and seed have read the very same ones. Labels of other splits are read for scores
only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.class_predictions import ClassPredictions, Labels
from medcl.evaluation.classification_scores import ClassificationScores, classification_scores
from medcl.evaluation.cluster_map import map_clusters
from medcl.evaluation.clustered import TRAINING, Clustered
from medcl.evaluation.clustering_scores import ClusteringScores, clustering_scores
from medcl.evaluation.label_share import SHARE, label_share
from medcl.evaluation.linear_layer import fit_linear_layer
from medcl.evaluation.nearest_neighbours import K, Metric, nearest_neighbours
from medcl.evaluation.pixel_baselines import pixel_baselines

SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class EvaluationRow:
    """One method, at one label budget, on one split.

    Attributes:
        method: how classes were predicted.
        features: from what.
        share: of the labelled training patients whose labels were read.
        labelled: training rows whose labels were read.
        seed: of the draw of labels and of the method; None where neither is drawn.
        split: that is scored.
        scored: its labelled rows.
        scores: of the predicted classes.
        clustering: of the clusters themselves, where the method is a clustering.
        note: clusters without labels and ties of the map.
    """

    method: str
    features: str
    share: float
    labelled: int
    seed: int | None
    split: str
    scored: int
    scores: ClassificationScores
    clustering: ClusteringScores | None
    note: str


@dataclass(frozen=True, eq=False)
class _Answer:
    """What one method says of all held-out rows, plainly and `balanced`, where it has such a twin.

    `drawn` where the seed matters at the full budget too.
    """

    method: str
    features: str
    predictions: ClassPredictions
    balanced: ClassPredictions | None = None
    clusters: npt.NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    drawn: bool = False


def evaluate_clustering(
    run: Clustered,
    *,
    share: float = SHARE,
    seeds: Sequence[int] = SEEDS,
    standardised: bool = False,
    balanced: bool = False,
    held_out: Sequence[str] = ("val", "test"),
) -> list[EvaluationRow]:
    """Score a run and the baselines, with all training labels and with a share of them.

    With all labels every method is fitted once, at the first seed; with the share once for each seed, by which also
    the labels are drawn.

    Args:
        run: what is evaluated.
        share: of the labelled training patients; 1 leaves the rows with all labels only.
        seeds: at least one.
        standardised: also linear layers on standardised features, which the paper does not have.
        balanced: also every method as if classes were equally frequent in training (ours).
        held_out: splits to score; those without a labelled row are left out.

    Raises:
        BadInput: arrays of other lengths, patients on both sides, no labelled row on one side, one class only, features
            that are not finite, or a share that leaves a class without labels.
    """
    labels, splits = run.checked(held_out)
    training = np.flatnonzero(splits == TRAINING)
    labelled = training[labels[training] != ""]
    rows = np.flatnonzero(np.isin(splits, held_out) & (labels != ""))
    people = np.asarray(run.patients, dtype=np.str_)[labelled]
    budgets = [(1.0, seeds[0], labelled)]
    if share != 1:
        budgets += [(share, seed, labelled[label_share(labels[labelled], people, share, seed=seed)]) for seed in seeds]
    classes = len(set(labels[labels != ""].tolist()))
    table = []
    for part, seed, budget in budgets:
        for answer in _answers(run, labels, (training, budget, rows), seed, standardised, balanced):
            told = seed if answer.drawn or part != 1 else None
            for split in held_out:
                if (here := splits[rows] == split).any():
                    scores = _scored(answer, labels[rows], here, run.count, classes)
                    table.append(
                        EvaluationRow(
                            answer.method,
                            answer.features,
                            part,
                            len(budget),
                            told,
                            split,
                            int(here.sum()),
                            *scores,
                            note=" ".join(answer.notes),
                        )
                    )
    return table


def _answers(
    run: Clustered,
    labels: Labels,
    places: tuple[npt.NDArray[np.int64], ...],
    seed: int,
    standardised: bool,
    balanced: bool,
) -> Iterator[_Answer]:
    """Every method's answer, and its balanced twin after it."""
    for answer in _plain_answers(run, labels, places, seed, standardised):
        yield answer
        if balanced and answer.balanced is not None:
            yield replace(answer, method=f"{answer.method}, balanced", predictions=answer.balanced, clusters=None)


def _plain_answers(
    run: Clustered, labels: Labels, places: tuple[npt.NDArray[np.int64], ...], seed: int, standardised: bool
) -> Iterator[_Answer]:
    training, budget, rows = places
    known = labels[budget]
    mapped = map_clusters(run.clusters[budget], known, run.count)
    soft = None if run.soft is None else run.soft[rows]
    predicted, weighted = (each.predict(run.clusters[rows], soft) for each in (mapped, mapped.balanced()))
    yield _Answer("map from clusters", "clusters", predicted, weighted, run.clusters[rows], mapped.notes)
    spaces: tuple[tuple[str, npt.NDArray[Any], Metric], ...] = (("h", run.h, "euclidean"), ("z", run.z, "cosine"))
    for name, space, metric in spaces:
        voted = nearest_neighbours(space[budget], known, space[rows], metric=metric)
        yield _Answer(f"{K} nearest neighbours", name, voted, voted.balanced(known))
        for scaled in (False, True) if standardised else (False,):
            layer = fit_linear_layer(space[budget], known, standardised=scaled, seed=seed)
            method = "linear layer, standardised" if scaled else "linear layer"
            found = layer.predict(space[rows])
            yield _Answer(method, name, found, found.balanced(known), drawn=True)
    for each in pixel_baselines(
        run.pixels, labels, training=training, budget=budget, rows=rows, clusters=run.count, seed=seed
    ):
        drawn = each.clusters is not None
        yield _Answer(each.method, each.features, each.predictions, each.balanced, each.clusters, each.notes, drawn)


def _scored(
    answer: _Answer, truth: Labels, here: npt.NDArray[np.bool_], count: int, classes: int
) -> tuple[ClassificationScores, ClusteringScores | None]:
    said = answer.predictions.of(here)
    clustering = None
    if answer.clusters is not None:
        clustering = clustering_scores(truth[here], answer.clusters[here], count, classes)
    return classification_scores(truth[here], said.predicted, said.shares, said.classes), clustering
