"""The clusters of the encoded training images, and the prototype of each (Ferrante et al., 2023).

KMeans on the features h, its number of clusters given or read off the elbow. As an option, ours, a mixture of Gaussians
on a UMAP of h; a prototype is then the mean h of a component's images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medcl.methods.elbow import Elbow, find_elbow
from medcl.methods.mixture import FEWEST_IMAGES, fit_mixture
from medcl.study.errors import RunFailed

Array = NDArray[np.float64]
Kind = Literal["kmeans", "mixture"]

FEWEST_CLUSTERS = 2
MOST_CLUSTERS = 20
"""The elbow is looked for among 2 to so many clusters."""

STARTS = 10
"""Runs of KMeans from different starts, of which the best is kept."""

ELBOW_IMAGES = 20_000
"""Of more images, the elbow's curve is computed on so many; the clusters are found on all."""

SAME = 1e-5
"""Features that lie nearer together than this share of the longest are one and the same: rounding of the encoder."""


@dataclass(frozen=True, eq=False)
class Prototypes:
    """What was found.

    Attributes:
        centres: (K, C) the prototypes, that of the largest cluster first.
        labels: (N,) cluster of each training image, from 0.
        inertia: sum of squared distances to the own centre, for each number of clusters that was tried.
        scale: mean squared distance of the training images to their prototype; above 0.
        notes: what the user must know, one sentence or more each.
        elbow: whether the number of clusters was read off a clear elbow.
        bic: criterion of the mixture, for each number of clusters that was tried; empty with KMeans.
    """

    centres: Array
    labels: NDArray[np.int64]
    inertia: dict[int, float]
    scale: float
    notes: tuple[str, ...] = ()
    elbow: bool = False
    bic: dict[int, float] = field(default_factory=dict)

    @property
    def sizes(self) -> list[int]:
        """Training images of each cluster."""
        return [int(size) for size in np.bincount(self.labels, minlength=len(self.centres))]


def find_prototypes(
    h: NDArray[np.floating[Any]],
    wanted: int | None,
    *,
    most: int = MOST_CLUSTERS,
    seed: int,
    kind: Kind = "kmeans",
) -> Prototypes:
    """Return the clusters of the rows of `h`; the same again for the same arguments, whatever the number of threads.

    Args:
        h: (N, C) features of the training images.
        wanted: number of clusters; None reads it off the elbow, or for a mixture takes that of the lowest BIC.
        most: clusters to choose from, at most; only where `wanted` is None.
        seed: of everything that is drawn.
        kind: of the clusters.

    Raises:
        RunFailed: there are fewer images, or fewer different features, than clusters; or they are not finite.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    rows = np.asarray(h, dtype=np.float64)
    different = _refuse(rows, wanted, most, kind)
    # threads add up in the order in which they come, and a resumed run must find the same centres, bit for bit
    with threadpool_limits(limits=1):
        if kind == "mixture":
            return _mixture(rows, wanted, min(most, different), seed)
        return _kmeans(rows, wanted, min(most, different), seed)


def _kmeans(rows: Array, wanted: int | None, most: int, seed: int) -> Prototypes:
    inertia: dict[int, float] = {}
    notes: list[str] = []
    clusters, clear = wanted, False
    if clusters is None:
        inertia, notes = _curve(rows, most, seed)
        elbow = find_elbow(inertia)
        clusters, clear = elbow.clusters, elbow.clear
        if not clear:
            notes.append(_no_elbow(elbow, most))
    fitted = _fit(rows, clusters, seed)
    if len(rows) <= ELBOW_IMAGES or wanted is not None:
        inertia[clusters] = float(fitted.inertia_)
    return _ordered(rows, fitted.labels_, inertia, notes, clear, centres=fitted.cluster_centers_)


def _curve(rows: Array, most: int, seed: int) -> tuple[dict[int, float], list[str]]:
    """The sums of squares of 2 to `most` clusters, as of all images."""
    notes = []
    some, share = rows, 1.0
    if len(rows) > ELBOW_IMAGES:
        some = rows[np.sort(np.random.default_rng(seed).choice(len(rows), ELBOW_IMAGES, replace=False))]
        share = ELBOW_IMAGES / len(rows)
        notes.append(
            f"The elbow's curve is that of {ELBOW_IMAGES:,} of {len(rows):,} images, drawn at random, scaled to all; "
            "the clusters are found on all images."
        )
    return {k: float(_fit(some, k, seed).inertia_) / share for k in range(FEWEST_CLUSTERS, most + 1)}, notes


def _fit(rows: Array, clusters: int, seed: int) -> Any:
    from sklearn.cluster import KMeans

    return KMeans(clusters, n_init=STARTS, random_state=seed).fit(rows)


def _no_elbow(elbow: Elbow, most: int) -> str:
    tried = f"2 to {most} clusters" if most > FEWEST_CLUSTERS else "2 clusters"
    return (
        f"KMeans of {tried} shows no elbow: no number of clusters stands out from the images alone. "
        f"{elbow.clusters} are taken, where the curve bends most (distance to the chord {elbow.distance:.2f}, turn "
        f"{elbow.turn:.1f}). The curve cannot tell 2 clusters; choose any number that means something to you with "
        "--clusters."
    )


def _mixture(rows: Array, wanted: int | None, most: int, seed: int) -> Prototypes:
    numbers = range(FEWEST_CLUSTERS, most + 1) if wanted is None else range(wanted, wanted + 1)
    mixture = fit_mixture(rows, numbers, seed)
    chosen = min(mixture.bic, key=lambda number: mixture.bic[number])
    there, labels = np.unique(mixture.labels, return_inverse=True)
    notes = list(mixture.notes)
    if len(there) < chosen:
        notes.append(
            f"{chosen - len(there)} of {chosen} components of the mixture hold no image: {len(there)} clusters are "
            "kept. Ask for fewer with --clusters if that is not wanted."
        )
    notes.append(
        "The clusters are those of a mixture on a UMAP of the features, which new images have no place in: every image "
        "is put to the nearest prototype, the mean feature of a cluster's training images."
    )
    return _ordered(rows, labels, {}, notes, False, bic=mixture.bic)


def _ordered(
    rows: Array,
    labels: NDArray[Any],
    inertia: dict[int, float],
    notes: Sequence[str],
    elbow: bool,
    *,
    centres: Array | None = None,
    bic: dict[int, float] | None = None,
) -> Prototypes:
    """Number the clusters by their size, so that the numbers do not depend on a start; of equals, the first seen."""
    count = int(labels.max()) + 1
    if centres is None:
        centres = np.stack([rows[labels == label].mean(axis=0) for label in range(count)])
    _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort(np.stack([first, -sizes]))
    centres, labels = centres[order], np.argsort(order)[labels]
    squares = float(np.square(rows - centres[labels]).sum())
    return Prototypes(
        centres=centres,
        labels=labels.astype(np.int64),
        inertia=inertia or {count: squares},
        scale=_scale(squares / len(rows), centres),
        notes=tuple(notes),
        elbow=elbow,
        bic=bic or {},
    )


def _scale(mean_square: float, centres: Array) -> float:
    """Where every image is its own prototype, distances are measured by the spread of the prototypes."""
    spread = float(np.square(centres - centres.mean(axis=0)).sum(axis=1).mean())
    # below this part of the spread, nothing but rounding is left of it
    return mean_square if mean_square > SAME**2 * spread else spread


def _refuse(rows: Array, wanted: int | None, most: int, kind: Kind) -> int:
    """Return how many different rows there are, counted up to the number of clusters that may be needed."""
    images, needed = len(rows), FEWEST_CLUSTERS if wanted is None else wanted
    if needed < FEWEST_CLUSTERS or most < FEWEST_CLUSTERS:
        raise ValueError(f"expected {FEWEST_CLUSTERS} clusters or more, got wanted={wanted}, most={most}")
    if not np.isfinite(rows).all():
        raise RunFailed(
            "The encoder gives features that are not finite: the training diverged; look at the run's metrics.csv, and "
            "lower --lr."
        )
    if images < needed:
        raise RunFailed(
            f"{needed} clusters cannot be found in {images} training images: ask for at most {images} with --clusters, "
            "or train on more images."
        )
    if kind == "mixture" and images < FEWEST_IMAGES:
        raise RunFailed(
            f"--grouping mixture needs {FEWEST_IMAGES} training images or more, found {images}: take --grouping kmeans."
        )
    different = _different(rows, needed if wanted is not None else most)
    if different == 1:
        raise RunFailed(
            f"All {images} training images have the same features, so there is nothing to cluster: the images are "
            "constant or all alike, or the encoder collapsed. Look at the images, and at the spread in metrics.csv."
        )
    if different < needed:
        raise RunFailed(
            f"{needed} clusters cannot be found: the {images} training images have {different} different features "
            f"(the others repeat them). Ask for at most {different} with --clusters."
        )
    return different


def _different(rows: Array, enough: int) -> int:
    """How many rows lie apart from each other by more than rounding; counting stops at `enough`.

    Each turn takes the row that is farthest from all taken ones (Gonzalez 1985): n rows apart are found in n turns.
    """
    nearest = np.full(len(rows), np.inf)
    limit = np.square(SAME) * np.square(rows).sum(axis=1).max()
    taken, count = 0, 1
    while count < enough:
        nearest = np.minimum(nearest, np.square(rows - rows[taken]).sum(axis=1))
        taken = int(nearest.argmax())
        if nearest[taken] <= limit:
            break
        count += 1
    return count
