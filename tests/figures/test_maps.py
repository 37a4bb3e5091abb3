"""Maps with known answers: a plane hidden in many features, its shares of variance, and what few rows do."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.figures.maps import MAPS, Map, fit_map
from medcl.study.errors import BadInput


def plane(rows: int = 60, features: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Rows on a plane with variances 9 and 1 along orthonormal directions, and their true coordinates."""
    generator = np.random.default_rng(0)
    true = generator.normal(size=(rows, 2))
    true -= true.mean(axis=0)
    true = np.linalg.qr(true)[0] * [3.0, 1.0]
    directions = np.linalg.qr(generator.normal(size=(features, 2)))[0]
    return true @ directions.T + 5.0, true


def test_pca_finds_the_plane_and_its_variance() -> None:
    features, true = plane()
    found = fit_map("pca", features)
    assert found.explained == pytest.approx((0.9, 0.1), abs=1e-9)
    assert found.axes == ("PC1 (90.0 % of variance)", "PC2 (10.0 % of variance)")
    signs = np.sign((found.coordinates * true).sum(axis=0))
    np.testing.assert_allclose(found.coordinates * signs, true, atol=1e-9)


def test_pca_is_not_scaled_by_feature() -> None:
    features = np.random.default_rng(1).normal(size=(200, 5)) * [100, 1, 1, 1, 1]
    assert fit_map("pca", features).explained[0] > 0.99


def test_pca_keeps_distances_on_the_plane() -> None:
    features, _ = plane()
    found = fit_map("pca", features).coordinates
    far = np.linalg.norm(features[0] - features[1:], axis=1)
    np.testing.assert_allclose(np.linalg.norm(found[0] - found[1:], axis=1), far, atol=1e-9)


def test_large_tables_take_the_randomised_way_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    features, _ = plane()
    exact = fit_map("pca", features)
    monkeypatch.setattr("medcl.figures.maps.EXACT_PCA_NUMBERS", 10)
    quick = fit_map("pca", features, seed=3)
    assert "seed 3" in quick.settings
    assert "exact" in exact.settings
    np.testing.assert_allclose(quick.explained, exact.explained, atol=1e-6)


def test_single_feature() -> None:
    found = fit_map("pca", np.arange(5.0)[:, None])
    assert found.explained == (1.0, 0.0)
    assert (found.coordinates[:, 1] == 0).all()
    assert "single feature" in found.notes[0]


def groups(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Two groups far apart."""
    side = np.arange(rows) % 2
    return np.random.default_rng(0).normal(size=(rows, 8)) * 0.1 + 10.0 * side[:, None], side


def assert_groups_apart(found: Map, side: np.ndarray) -> None:
    where = found.coordinates
    centres = [where[side == one].mean(axis=0) for one in (0, 1)]
    spread = max(np.linalg.norm(where[side == one] - centres[one], axis=1).max() for one in (0, 1))
    assert np.linalg.norm(centres[0] - centres[1]) > spread


def test_umap_keeps_groups_apart_adapts_and_repeats() -> None:
    features, _ = groups(14)
    found = fit_map("umap", features, seed=1)
    assert found.coordinates.shape == (14, 2)
    assert "13 neighbours" in found.settings
    assert any("13 neighbours instead of 15" in note for note in found.notes)
    assert "seed 1" in found.settings
    np.testing.assert_array_equal(found.coordinates, fit_map("umap", features, seed=1).coordinates)
    assert not np.array_equal(found.coordinates, fit_map("umap", features, seed=2).coordinates)
    assert fit_map("umap", features[:3]).coordinates.shape == (3, 2)
    assert np.isfinite(fit_map("umap", features[:5]).coordinates).all()
    many, side = groups(60)
    assert_groups_apart(fit_map("umap", many), side)


def test_tsne_keeps_groups_apart_and_adapts() -> None:
    features, side = groups(40)
    found = fit_map("tsne", features, seed=0)
    assert "perplexity 13," in found.settings
    assert "instead of 30" in found.notes[0]
    assert_groups_apart(found, side)
    assert np.isfinite(fit_map("tsne", features[:3]).coordinates).all()


@pytest.mark.parametrize("method", MAPS)
def test_what_cannot_be_mapped_is_refused(method: str) -> None:
    with pytest.raises(BadInput, match="at least 3 rows of features, found 2"):
        fit_map(method, np.eye(2))
    with pytest.raises(BadInput, match="same features: the encoder has collapsed"):
        fit_map(method, np.ones((10, 4)))
    broken = np.eye(5)
    broken[3, 2] = np.nan
    with pytest.raises(BadInput, match=r"1 of 5 rows .* not finite .*row 4"):
        fit_map(method, broken)
