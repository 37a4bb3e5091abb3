"""Images through a trained clustering: each number is that of the image alone, whatever the batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medcl.data.samples import Samples
from medcl.evaluation import assign as module
from medcl.evaluation.assign import assign, rebuilt
from medcl.networks.clustering_network import ClusteringNetwork, build_clustering_network
from medcl.study.errors import RunFailed
from tests.methods.shapes_study import shapes_study

CPU = torch.device("cpu")
SIZE = (1, 16, 16)


def trained(assigned: str = "cosine") -> ClusteringNetwork:
    """A network of random weights whose three prototypes are the features of three images."""
    torch.manual_seed(0)
    network = build_clustering_network("conv3", SIZE, most=5, assign=assigned, temperature=0.1)
    samples, _ = shapes_study(0, images=12)
    network.train()
    with torch.no_grad():
        network.encoder(volumes(samples))  # moves the batch norms
    network.eval()
    with torch.inference_mode():
        network.head.fix(network.encoder(volumes(samples))[:3].clone(), scale=0.5)
    return network


def volumes(samples: Samples) -> torch.Tensor:
    return torch.from_numpy(np.stack([samples.store.read(entry) for entry in samples.entries]))[:, None]


@pytest.mark.parametrize("assigned", ["cosine", "euclidean"])
def test_every_number_is_that_of_the_image_alone(assigned: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 5)
    network, (samples, _) = trained(assigned), shapes_study(1, images=12)
    rows = np.array([7, 2, 11, 0, 3, 4, 5])
    found = assign(network, samples, rows, device=CPU)
    assert len(found) == 7
    assert np.array_equal(found.rows, rows)
    with torch.inference_mode():
        for place, row in enumerate(rows):
            image = volumes(samples)[row : row + 1]
            h = network.encoder(image)
            np.testing.assert_allclose(found.h[place], h[0], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(found.z[place], network.projection(h)[0], rtol=1e-3, atol=1e-5)
            np.testing.assert_allclose(found.soft[place], network.head(h)[0, :3], rtol=1e-3, atol=1e-5)
            distances = network.head.distances(h)[0]
            assert found.clusters[place] == int(distances.argmin())
            assert found.distance[place] == pytest.approx(float(distances.min()), rel=1e-3, abs=1e-5)
            error = float((network.reconstruct(h, True) - image).square().mean())
            assert found.error[place] == pytest.approx(error, rel=1e-3)
    np.testing.assert_allclose(found.soft.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.z, axis=1), 1, atol=1e-5)


def test_a_prototypes_own_image_lies_at_it() -> None:
    network, (samples, _) = trained(), shapes_study(0, images=12)
    found = assign(network, samples, np.arange(3), device=CPU)
    assert found.clusters.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.distance, 0, atol=1e-5)


def test_reconstructions_are_those_of_the_soft_assignment() -> None:
    network, (samples, _) = trained(), shapes_study(1, images=12)
    found = rebuilt(network, samples, [4, 1], device=CPU)
    assert found.shape == (2, *SIZE)
    errors = assign(network, samples, np.array([4, 1]), device=CPU).error
    truth = volumes(samples)[[4, 1], 0].numpy()
    np.testing.assert_allclose(np.square(found - truth).mean(axis=(1, 2, 3)), errors, rtol=1e-4)
    assert rebuilt(network, samples, [], device=CPU).shape == (0, *SIZE)


def test_large_images_go_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    network, (samples, _) = trained(), shapes_study(1, images=12)
    network.encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    monkeypatch.setattr(module, "_BATCH_VOXELS", 5 * 256 + 1)
    assign(network, samples, np.arange(12), device=CPU)
    assert seen == [5, 5, 2]
    monkeypatch.setattr(module, "_BATCH_VOXELS", 1)
    seen.clear()
    assign(network, samples, np.arange(2), device=CPU)
    assert seen == [1, 1]


def test_a_network_that_trains_is_refused() -> None:
    network, (samples, _) = trained(), shapes_study(1, images=3)
    with pytest.raises(ValueError, match="evaluation mode"):
        assign(network.train(), samples, np.arange(3), device=CPU)


def test_features_that_are_no_numbers_name_the_images() -> None:
    network, (samples, _) = trained(), shapes_study(1, images=12)
    broken = replace(samples, store=Spoilt(samples, "P0004"))
    with pytest.raises(RunFailed, match="the encoder's features are not finite for P0004: its training diverged"):
        assign(network, broken, np.arange(12), device=CPU)


class Spoilt:
    """A store in which one image is not a number."""

    def __init__(self, samples: Samples, case: str) -> None:
        self.entries = samples.entries
        self._store = samples.store
        self._case = case

    def read(self, entry: object, out: np.ndarray) -> np.ndarray:
        self._store.read(entry, out)
        if entry.case == self._case:  # type: ignore[attr-defined]
            out[...] = np.nan
        return out
