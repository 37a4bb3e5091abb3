"""Two-dimensional maps of features: PCA, UMAP (McInnes, Healy, Melville 2018) and t-SNE (van der Maaten,
Hinton 2008).

Every map is fitted on all rows that are shown, training and held-out alike: no map sees a clinical variable,
and the panels of a page so show the same rows in the same way. Features are centred, not scaled.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.study.errors import BadInput

MAPS = {
    "pca": "principal components: straight axes, with the share of variance that each explains",
    "umap": "neighbourhoods: images that look alike to the encoder lie together",
    "tsne": "neighbourhoods by t-SNE: small groups come out clearly",
}

UMAP_NEIGHBOURS = 15
UMAP_MIN_DIST = 0.1
TSNE_PERPLEXITY = 30.0
EXACT_PCA_NUMBERS = 20_000_000
"""Rows times columns up to which the exact decomposition is used."""
FEWEST_ROWS = 3

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Map:
    """Where each row lies, and how that came out.

    Attributes:
        method: key of `MAPS`.
        coordinates: (N, 2).
        axes: label of the horizontal and the vertical axis.
        settings: one line that lets others repeat it.
        explained: shares of variance of the two axes (PCA), else empty.
        notes: what was adapted, in sentences.
    """

    method: str
    coordinates: Array
    axes: tuple[str, str]
    settings: str
    explained: tuple[float, ...] = ()
    notes: list[str] = field(default_factory=list)


def fit_map(method: str, features: npt.ArrayLike, *, seed: int = 0) -> Map:
    """Map features (N, F) to the plane.

    Raises:
        BadInput: for fewer than 3 rows, a value that is not finite, or features that are the same in every
            row.
    """
    rows = np.asarray(features, dtype=np.float64)
    check_features(rows)
    return {"pca": _pca, "umap": _umap, "tsne": _tsne}[method](rows, seed)


def check_features(rows: Array) -> None:
    """Refuse features that no map can show."""
    if len(rows) < FEWEST_ROWS:
        raise BadInput(
            f"a map needs at least {FEWEST_ROWS} rows of features, found {len(rows)}: "
            "choose fewer filters (--exam, --sequence) or another table (--features)."
        )
    wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(wrong):
        raise BadInput(
            f"{len(wrong)} of {len(rows)} rows of features hold values that are not finite "
            f"(first: row {wrong[0] + 1} of those chosen): the encoder diverged; look at the run's "
            "metrics.csv."
        )
    if np.ptp(rows, axis=0).max(initial=0.0) == 0.0:
        raise BadInput(
            f"all {len(rows)} rows have the same features: the encoder has collapsed or read the same image; "
            "look at the run's health warnings, or choose another table with --features."
        )


def _pca(rows: Array, seed: int) -> Map:
    from sklearn.decomposition import PCA

    exact = rows.size <= EXACT_PCA_NUMBERS
    count = min(2, rows.shape[1])
    fitted: Any = PCA(count, svd_solver="full" if exact else "randomized", random_state=seed)
    coordinates = fitted.fit_transform(rows)
    shares = [float(share) for share in fitted.explained_variance_ratio_]
    notes = []
    if count == 1:
        coordinates, shares = np.column_stack([coordinates, np.zeros(len(rows))]), [*shares, 0.0]
        notes.append("There is a single feature: the second axis of the PCA is empty.")
    labels = [f"PC{axis + 1} ({100 * share:.1f} % of variance)" for axis, share in enumerate(shares)]
    how = "exact decomposition" if exact else f"randomised decomposition, seed {seed}"
    return Map(
        "pca",
        coordinates,
        (labels[0], labels[1]),
        f"PCA of centred, unscaled features; {how}",
        tuple(shares),
        notes,
    )


def _umap(rows: Array, seed: int) -> Map:
    import umap

    neighbours = min(UMAP_NEIGHBOURS, len(rows) - 1)
    # the spectral start asks for more eigenvectors than a handful of rows has
    start = "spectral" if len(rows) > 2 * FEWEST_ROWS else "random"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # one job: only so does a seed give the same map again
        reducer = umap.UMAP(n_neighbors=neighbours, min_dist=UMAP_MIN_DIST, init=start, random_state=seed, n_jobs=1)
        coordinates = reducer.fit_transform(rows)
    notes = [f"UMAP says: {warning.message}" for warning in caught if issubclass(warning.category, UserWarning)]
    if neighbours < UMAP_NEIGHBOURS:
        notes.append(
            f"Only {len(rows)} rows: UMAP looks at {neighbours} neighbours instead of {UMAP_NEIGHBOURS}; "
            "the map of so few is hardly more than a sketch."
        )
    settings = f"UMAP, {neighbours} neighbours, minimal distance {UMAP_MIN_DIST}, Euclidean, seed {seed}"
    return Map("umap", np.asarray(coordinates, dtype=np.float64), ("UMAP 1", "UMAP 2"), settings, notes=notes)


def _tsne(rows: Array, seed: int) -> Map:
    from sklearn.manifold import TSNE

    perplexity = min(TSNE_PERPLEXITY, (len(rows) - 1) / 3)
    # with fewer than two features there is no second component to start from
    start = "pca" if rows.shape[1] > 1 else "random"
    fitted: Any = TSNE(2, perplexity=perplexity, init=start, random_state=seed)
    coordinates = fitted.fit_transform(rows)
    notes = []
    if perplexity < TSNE_PERPLEXITY:
        notes.append(f"Only {len(rows)} rows: t-SNE's perplexity is {perplexity:.3g} instead of {TSNE_PERPLEXITY:g}.")
    settings = f"t-SNE, perplexity {perplexity:.3g}, Euclidean, seed {seed}"
    return Map("tsne", np.asarray(coordinates, dtype=np.float64), ("t-SNE 1", "t-SNE 2"), settings, notes=notes)
