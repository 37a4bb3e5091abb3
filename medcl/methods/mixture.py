"""Clusters of any shape (ours): a mixture of Gaussians on a UMAP of the features.

KMeans cuts elongated and curved groups to pieces. UMAP (McInnes et al. 2018, arXiv:1802.03426) draws neighbours
together first, with a minimal distance of 0 as its authors advise for clustering; Gaussians of any covariance are
fitted to its coordinates. Their number is the one of the lowest Bayesian information criterion (Schwarz 1978).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UMAP_COMPONENTS = 10
UMAP_NEIGHBOURS = 15
MIXTURE_STARTS = 3
"""Fits of a mixture from different starts, of which the likeliest is kept."""

FEWEST_IMAGES = 10
"""A graph of neighbours of fewer images says nothing."""


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture.

    Attributes:
        labels: (N,) the likeliest component of each row; from 0, in no order, and a number may be missing.
        bic: the criterion by number of components.
        notes: what the user must know.
    """

    labels: NDArray[np.int64]
    bic: dict[int, float]
    notes: tuple[str, ...]


def fit_mixture(h: NDArray[np.float64], numbers: range, seed: int) -> Mixture:
    """Fit a mixture for each number of components and return the one of the lowest criterion.

    Args:
        h: (N, C) features, `FEWEST_IMAGES` rows or more.
        numbers: of components to choose from, ascending.
        seed: of everything that is drawn.
    """
    from sklearn.mixture import GaussianMixture

    coordinates, notes = _umap(h, seed)
    fits = {
        number: GaussianMixture(number, n_init=MIXTURE_STARTS, random_state=seed).fit(coordinates) for number in numbers
    }
    bic = {number: float(fit.bic(coordinates)) for number, fit in fits.items()}
    best = min(bic, key=lambda number: bic[number])
    if len(bic) > 2 and best == numbers[-1]:
        notes.append(
            f"The criterion (BIC) of the mixture still falls at {best} clusters, the most that were tried: the images "
            "may hold more groups, or groups that are no Gaussians. Choose the number with --clusters."
        )
    return Mixture(fits[best].predict(coordinates).astype(np.int64), bic, tuple(notes))


def _umap(h: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], list[str]]:
    import umap  # here: it takes seconds

    images, features = h.shape
    components = min(UMAP_COMPONENTS, features, images // 4)
    neighbours = min(UMAP_NEIGHBOURS, images - 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # one job: only so does a seed give the same coordinates again
        reducer: Any = umap.UMAP(
            n_neighbors=neighbours, n_components=components, min_dist=0.0, random_state=seed, n_jobs=1
        )
        coordinates = reducer.fit_transform(h)
    notes = [f"UMAP says: {warning.message}" for warning in caught if issubclass(warning.category, UserWarning)]
    return np.asarray(coordinates, dtype=np.float64), notes
