"""The mixture of Gaussians on a UMAP: groups that KMeans cuts to pieces, its criterion, its notes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.metrics import adjusted_rand_score

from medcl.methods import mixture as module
from medcl.methods import prototypes
from medcl.methods.mixture import Mixture
from medcl.methods.prototypes import find_prototypes
from medcl.study.errors import RunFailed


@pytest.fixture(scope="module")
def moons() -> tuple[np.ndarray, np.ndarray]:
    """Two crescents that reach into each other."""
    h, truth = make_moons(300, noise=0.05, random_state=0)
    return h, truth


@pytest.mark.slow
def test_it_keeps_crescents_whole_that_kmeans_splits(moons: tuple[np.ndarray, np.ndarray]) -> None:
    h, truth = moons
    kmeans, mixture = (find_prototypes(h, 2, seed=0, kind=kind) for kind in ("kmeans", "mixture"))
    assert adjusted_rand_score(truth, kmeans.labels) < 0.5
    assert adjusted_rand_score(truth, mixture.labels) > 0.95
    for cluster in range(2):
        np.testing.assert_allclose(mixture.centres[cluster], h[mixture.labels == cluster].mean(axis=0))
    assert list(mixture.bic) == [2]
    assert "nearest prototype" in mixture.notes[-1]


@pytest.mark.slow
def test_two_calls_of_it_are_equal_and_the_number_is_that_of_the_lowest_criterion() -> None:
    generator = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    h = 8 * np.eye(3, 12)[truth] + generator.normal(size=(120, 12))
    first, second = (find_prototypes(h, None, most=5, seed=0, kind="mixture") for _ in range(2))
    np.testing.assert_array_equal(first.centres, second.centres)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert list(first.bic) == [2, 3, 4, 5]
    assert len(first.centres) == min(first.bic, key=lambda number: first.bic[number])
    assert adjusted_rand_score(truth, first.labels) > 0.6
    assert not first.elbow


def test_components_without_images_are_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    h = np.random.default_rng(0).normal(size=(12, 3))
    labels = np.array([0] * 3 + [2] * 7 + [3] * 2)
    monkeypatch.setattr(prototypes, "fit_mixture", lambda *_: Mixture(labels, {4: -1.0}, ()))
    found = find_prototypes(h, 4, seed=0, kind="mixture")
    assert found.sizes == [7, 3, 2]
    np.testing.assert_allclose(found.centres[0], h[3:10].mean(axis=0))
    assert "1 of 4 components" in found.notes[0]
    assert found.inertia == {3: pytest.approx(np.square(h - found.centres[found.labels]).sum())}


def test_a_criterion_that_still_falls_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    coordinates = 20 * np.eye(4)[np.repeat(np.arange(4), 20)] + generator.normal(size=(80, 4))
    monkeypatch.setattr(module, "_umap", lambda h, seed: (h, []))
    stopped = module.fit_mixture(coordinates, range(2, 5), seed=0)
    assert len(np.unique(stopped.labels)) == 4
    assert "still falls at 4" in stopped.notes[0]
    assert module.fit_mixture(coordinates, range(2, 7), seed=0).notes == ()


def test_a_handful_of_images_is_refused() -> None:
    with pytest.raises(RunFailed, match="--grouping kmeans"):
        find_prototypes(np.random.default_rng(0).random((9, 3)), 2, seed=0, kind="mixture")
