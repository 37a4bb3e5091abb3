"""A clustering comes back from its files as it was, or says what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from medcl.evaluation.saved_clustering import STEM, load_clustering
from medcl.networks.clustering_network import ClusteringNetwork, build_clustering_network
from medcl.study.errors import BadInput
from medcl.training.export import export_encoder

CPU = torch.device("cpu")


def saved(folder: Path, size: tuple[int, int, int] = (1, 16, 16), assign: Any = "euclidean") -> ClusteringNetwork:
    torch.manual_seed(0)
    network = build_clustering_network("conv3", size, most=6, assign=assign, temperature=0.2)
    network.head.fix(torch.randn(4, 128), scale=2.5)
    told = {"network": "conv3", "size": list(size), "channels": 1, "most": 6, "assign": assign, "temperature": 0.2}
    export_encoder(network, folder, {"architecture": told, "method": "cluster"}, STEM)
    return network.eval()


@pytest.mark.parametrize("size", [(1, 16, 16), (8, 16, 16)])
def test_the_network_comes_back(tmp_path: Path, size: tuple[int, int, int]) -> None:
    network = saved(tmp_path, size)
    found = load_clustering(tmp_path, CPU)
    assert (found.clusters, found.size, found.card["method"]) == (4, size, "cluster")
    assert not found.network.training
    images = torch.rand(3, 1, *size)
    with torch.inference_mode():
        for before, now in zip(all_of(network, images), all_of(found.network, images), strict=True):
            assert torch.equal(before, now)


def all_of(network: ClusteringNetwork, images: torch.Tensor) -> list[torch.Tensor]:
    h = network.encoder(images)
    return [
        *(h, network.projection(h), network.head(h), network.head.distances(h)),
        *(network.reconstruct(h, True), network.prototype_images()),
    ]


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"clustering\.json"):
        load_clustering(tmp_path, CPU)


@pytest.mark.parametrize(
    "architecture",
    [
        None,
        {},
        {"network": "conv3", "size": [16, 16], "most": 6, "assign": "cosine", "temperature": 0.1},
        {"network": "conv3", "size": [1, 16, 16], "most": None, "assign": "cosine", "temperature": 0.1},
    ],
)
def test_a_card_that_does_not_tell_the_network(tmp_path: Path, architecture: Any) -> None:
    saved(tmp_path)
    file = tmp_path / f"{STEM}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"architecture": architecture}))
    with pytest.raises(BadInput, match=r"clustering\.json does not tell how the network is built"):
        load_clustering(tmp_path, CPU)


def test_weights_of_another_network(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / f"{STEM}.json"
    card = json.loads(file.read_text())
    card["architecture"]["most"] = 7
    file.write_text(json.dumps(card))
    with pytest.raises(BadInput, match="clustering"):
        load_clustering(tmp_path, CPU)


def test_damaged_weights(tmp_path: Path) -> None:
    saved(tmp_path)
    file = tmp_path / f"{STEM}.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(BadInput, match=r"clustering\.safetensors"):
        load_clustering(tmp_path, CPU)
