"""The clusters of features: known groups, the elbow, determinism, order, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_info

from medcl.methods import prototypes as module
from medcl.methods.prototypes import find_prototypes
from medcl.study.errors import RunFailed

SIZES = (40, 30, 20, 10)


def groups(
    sizes: tuple[int, ...] = SIZES, features: int = 16, sd: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows around as many points as there are sizes, in random order, and the point of each."""
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(len(sizes), features))
    truth = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return points[truth] + sd * generator.normal(size=(len(truth), features)), truth


def test_the_elbow_finds_four_groups() -> None:
    h, truth = groups()
    found = find_prototypes(h, None, seed=0)
    assert found.elbow
    assert found.notes == ()
    assert len(found.centres) == 4
    assert adjusted_rand_score(truth, found.labels) == 1
    assert list(found.inertia) == list(range(2, 21))
    assert found.sizes == list(SIZES), "the largest first"


@pytest.mark.parametrize("features", [2, 64])
def test_noise_has_no_elbow_and_it_is_told(features: int) -> None:
    h = np.random.default_rng(1).random((300, features))
    found = find_prototypes(h, None, seed=0)
    assert not found.elbow
    (note,) = found.notes
    assert "no elbow" in note
    assert "--clusters" in note
    assert f"{len(found.centres)} are taken" in note


def test_most_bounds_the_curve() -> None:
    h, _ = groups()
    found = find_prototypes(h, None, most=6, seed=0)
    assert list(found.inertia) == [2, 3, 4, 5, 6]
    assert len(found.centres) == 4


def test_a_wanted_number_is_taken() -> None:
    h, _ = groups()
    found = find_prototypes(h, 3, seed=0)
    assert found.centres.shape == (3, 16)
    assert not found.elbow
    assert found.notes == ()
    assert found.inertia == {3: pytest.approx(np.square(h - found.centres[found.labels]).sum())}


def test_centres_are_the_means_of_their_images_and_the_scale_their_mean_square() -> None:
    h, _ = groups()
    found = find_prototypes(h, 4, seed=0)
    for cluster, centre in enumerate(found.centres):
        np.testing.assert_allclose(centre, h[found.labels == cluster].mean(axis=0), atol=1e-12)
    assert found.scale == pytest.approx(np.square(h - found.centres[found.labels]).sum() / len(h))


def test_the_order_of_clusters_is_that_of_their_sizes() -> None:
    h, truth = groups()
    for seed in range(3):
        found = find_prototypes(h, 4, seed=seed)
        assert found.sizes == list(SIZES)
        np.testing.assert_array_equal(found.labels, truth)


def test_equal_sizes_are_numbered_as_they_are_first_seen() -> None:
    h, truth = groups((10, 10, 10))
    seen = list(dict.fromkeys(truth.tolist()))
    for seed in range(3):
        labels = find_prototypes(h, 3, seed=seed).labels
        np.testing.assert_array_equal(labels, [seen.index(group) for group in truth])


@pytest.mark.parametrize("wanted", [None, 5])
def test_two_calls_are_equal(wanted: int | None) -> None:
    h = np.random.default_rng(3).normal(size=(400, 8))
    first, second = (find_prototypes(h, wanted, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.centres, second.centres)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert (first.inertia, first.scale) == (second.inertia, second.scale)


def test_the_seed_reaches_kmeans() -> None:
    h = np.random.default_rng(3).normal(size=(400, 8))
    one, other = (find_prototypes(h, 12, seed=seed) for seed in (0, 1))
    assert one.inertia != other.inertia


def test_it_works_with_one_thread_and_gives_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads add up in any order: with several the last bits of a centre would differ between two runs."""
    seen: list[int] = []
    original = module._fit
    monkeypatch.setattr(
        module,
        "_fit",
        lambda *all_: seen.append(max(pool["num_threads"] for pool in threadpool_info())) or original(*all_),
    )
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        find_prototypes(groups()[0], 4, seed=0)
        assert seen == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_no_global_generator_is_touched() -> None:
    before, of_torch = np.random.get_state()[1].copy(), torch.get_rng_state()
    find_prototypes(groups()[0], None, most=5, seed=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    assert torch.equal(of_torch, torch.get_rng_state())


def test_float32_features_are_clustered_in_double() -> None:
    h, _ = groups()
    assert find_prototypes(h.astype(np.float32), 4, seed=0).centres.dtype == np.float64


def test_many_images_show_the_elbow_by_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ELBOW_IMAGES", 100)
    sizes = (160, 120, 80, 40)
    h, truth = groups(sizes)
    found = find_prototypes(h, None, most=8, seed=0)
    assert adjusted_rand_score(truth, found.labels) == 1, "the clusters are those of all images"
    (note,) = found.notes
    assert "100 of 400" in note
    assert found.inertia[4] == pytest.approx(np.square(h - found.centres[found.labels]).sum(), rel=0.2)
    monkeypatch.setattr(module, "ELBOW_IMAGES", 400)
    assert find_prototypes(h, None, most=8, seed=0).notes == ()


@pytest.mark.parametrize(
    ("h", "wanted", "words"),
    [
        (np.random.default_rng(0).random((5, 3)), 6, ["6 clusters", "5 training images", "--clusters"]),
        (np.zeros((1, 3)), None, ["2 clusters", "1 training images"]),
        (np.ones((30, 3)), None, ["All 30 training images", "constant"]),
        (np.ones((30, 3)), 4, ["All 30 training images", "constant"]),
        (np.repeat(np.eye(3), 10, axis=0), 4, ["30 training images have 3 different", "at most 3", "--clusters"]),
        (np.full((9, 3), np.nan), None, ["not finite"]),
    ],
)
def test_what_cannot_be_clustered_is_refused(h: np.ndarray, wanted: int | None, words: list[str]) -> None:
    with pytest.raises(RunFailed) as refused:
        find_prototypes(h, wanted, seed=0)
    assert all(word in str(refused.value) for word in words), refused.value


def test_rounding_makes_no_images_of_constant_ones() -> None:
    noise = 1e-7 * np.random.default_rng(0).normal(size=(30, 8))
    with pytest.raises(RunFailed, match="All 30 training images"):
        find_prototypes(5 + noise, None, seed=0)
    with pytest.raises(RunFailed, match="2 different"):
        find_prototypes(np.repeat([[5.0], [6.0]], 15, axis=0) + noise, 3, seed=0)


def test_fewer_different_images_than_most_bound_the_curve() -> None:
    h = np.repeat(groups((1,) * 6)[0], 10, axis=0)
    assert list(find_prototypes(h, None, seed=0).inertia) == [2, 3, 4, 5, 6]


def test_the_scale_is_never_zero() -> None:
    h = np.repeat(np.eye(3), 10, axis=0)
    found = find_prototypes(h, 3, seed=0)
    assert found.scale == pytest.approx(2 / 3), "the spread of the prototypes, where all images are one"


@pytest.mark.parametrize("named", [{"wanted": 1}, {"wanted": 0}, {"wanted": None, "most": 1}])
def test_one_cluster_is_no_clustering(named: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="2 clusters or more"):
        find_prototypes(groups()[0], seed=0, **named)
