"""How stable a KMeans clustering is: over seeds, and over drawn patients, as adjusted Rand indices.

An adjusted Rand index is 1 for the same partition and about 0 for partitions that agree by chance (Hubert and Arabie,
J Classif 1985). Patients, not rows, are drawn with replacement, as for intervals (evaluation/bootstrap.py); every row
is then put to the nearest centre of the drawn clustering (Hennig, Comput Stat Data Anal 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.study.errors import BadInput

SEEDS = 10
DRAWS = 100
STARTS = 10
"""Of each KMeans; the best is kept. As many as when a run finds its clusters: the procedure itself is looked at."""
MOST_ROWS = 20_000
"""Of more rows a fixed part is looked at, patients drawn with seed 0."""
LEVEL = 0.95

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Agreement:
    """Adjusted Rand indices.

    Attributes:
        values: of each pair of seeds, or of each draw.
        mean, minimum: of them.
        low, high: 2.5th and 97.5th percentile.
    """

    values: tuple[float, ...]
    mean: float
    minimum: float
    low: float
    high: float


@dataclass(frozen=True)
class Stability:
    """What was found.

    Attributes:
        clusters: K.
        seeds: between the clusterings of each two seeds.
        bootstrap: between the reference and the clustering of each draw of patients.
        rows, patients: that were looked at.
        left_out: draws with fewer rows than clusters.
        note: one sentence for people: what was compared, and of which part of the rows.
    """

    clusters: int
    seeds: Agreement
    bootstrap: Agreement
    rows: int
    patients: int
    left_out: int
    note: str


def stability(
    h: npt.NDArray[Any],
    patients: Sequence[str] | npt.NDArray[Any],
    clusters: int,
    *,
    reference: npt.NDArray[Any] | None = None,
    seeds: int = SEEDS,
    draws: int = DRAWS,
    starts: int = STARTS,
    most_rows: int = MOST_ROWS,
    seed: int = 0,
) -> Stability:
    """Cluster again and again, and compare.

    Args:
        h: (N, F), finite.
        patients: (N,) whose rows they are.
        clusters: K, at least 2.
        reference: (N,) the clusters that KMeans found in the run, to which the draws are compared; those of the first
            seed when None.
        seeds: how many, at least 2; `seed`, `seed` + 1, ...
        draws: of patients.
        starts: of each KMeans.
        most_rows: of more rows, whole patients are drawn until there are as many.
        seed: of KMeans and of the draws.

    Raises:
        BadInput: fewer than 2 clusters, seeds or patients, fewer rows than clusters, or other numbers of rows than of
            patients or references.
    """
    people = np.asarray(patients, dtype=np.str_)
    _require_usable(h, people, clusters, reference, seeds)
    kept = _part(people, most_rows)
    rows, (names, person) = np.asarray(h[kept], dtype=np.float64), np.unique(people[kept], return_inverse=True)
    found = [_kmeans(rows, None, clusters, starts, seed + step) for step in range(seeds)]
    between = [_rand(first, second) for first, second in combinations(found, 2)]
    truth = found[0] if reference is None else np.asarray(reference, dtype=np.int64)[kept]
    generator = np.random.default_rng(seed)
    drawn = []
    for step in range(draws):
        times = np.bincount(generator.integers(0, len(names), len(names)), minlength=len(names))[person]
        if np.count_nonzero(times) >= clusters:
            drawn.append(_rand(truth, _kmeans(rows, times, clusters, starts, seed + step)))
    if not drawn:
        raise BadInput(
            f"no draw of {len(names)} patients has the rows for {clusters} clusters: ask for fewer clusters."
        )
    note = (
        f"KMeans, {clusters} clusters, {starts} starts each; {seeds} seeds; {len(drawn)} draws of {len(names)} patients"
    )
    part = f"a fixed part of {len(kept):,} of {len(h):,} rows" if len(kept) < len(h) else f"all {len(h):,} rows"
    return Stability(
        clusters,
        _agreement(between),
        _agreement(drawn),
        len(kept),
        len(names),
        draws - len(drawn),
        f"{note}; {part}.",
    )


def _kmeans(
    rows: npt.NDArray[Any], times: npt.NDArray[np.int64] | None, clusters: int, starts: int, seed: int
) -> Labels:
    """Cluster the rows, each counted as often as it was drawn; the nearest centre of every row, drawn or not."""
    from sklearn.cluster import KMeans

    model = KMeans(clusters, n_init=starts, random_state=seed)
    if times is None:
        model.fit(rows)
    else:
        model.fit(rows[times > 0], sample_weight=times[times > 0].astype(rows.dtype))
    return np.asarray(model.predict(rows), dtype=np.int64)


def _rand(first: Labels, second: Labels) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def _agreement(values: list[float]) -> Agreement:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(tuple(values), float(np.mean(values)), min(values), float(low), float(high))


def _part(people: npt.NDArray[np.str_], most: int) -> Labels:
    """Places of the rows of patients in a fixed random order, `most` of them at most, ascending."""
    if len(people) <= most:
        return np.arange(len(people))
    names, person = np.unique(people, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    return np.sort(np.argsort(order[person], kind="stable")[:most])


def _require_usable(
    h: npt.NDArray[Any], people: npt.NDArray[Any], clusters: int, reference: npt.NDArray[Any] | None, seeds: int
) -> None:
    others = {"patients": len(people), "reference clusters": len(h) if reference is None else len(reference)}
    for name, count in others.items():
        if count != len(h):
            raise BadInput(f"{len(h)} rows of features but {count} {name} were given: one is needed for each row.")
    if clusters < 2 or len(h) < clusters:
        raise BadInput(f"{len(h)} rows cannot be put to {clusters} clusters: ask for 2 to {len(h)} clusters.")
    if (count := len(np.unique(people))) < 2:
        raise BadInput(f"the stability of a clustering needs rows of at least 2 patients, found {count}.")
    if seeds < 2:
        raise BadInput(f"the stability over seeds needs at least 2 seeds, found {seeds}.")
