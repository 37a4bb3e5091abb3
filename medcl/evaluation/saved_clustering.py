"""A clustering as a run left it, ready to put images to its prototypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medcl.evaluation.saved_network import Size, load_network
from medcl.networks.clustering_network import ClusteringNetwork, build_clustering_network

STEM = "clustering"
"""Name of the files in a run folder."""


@dataclass(frozen=True)
class SavedClustering:
    """A network with fixed prototypes and what is needed to use it.

    Attributes:
        network: in evaluation mode, on its device.
        card: all that the run's card tells.
    """

    network: ClusteringNetwork
    card: Mapping[str, Any]

    @property
    def clusters(self) -> int:
        """How many prototypes there are."""
        return self.network.head.clusters

    @property
    def size(self) -> tuple[int, int, int]:
        """(z, y, x) of the images that it was trained on; z is 1 for slices."""
        return self.network.encoder.size


def load_clustering(folder: Path, device: torch.device) -> SavedClustering:
    """Open the network of a run of `medcl cluster train`.

    Args:
        folder: holds clustering.safetensors and clustering.json.
        device: where it will run.

    Raises:
        BadInput: files are missing, damaged or of a newer format.
    """
    network, card = load_network(folder, STEM, _build, device)
    return SavedClustering(network, card)


def _build(told: Mapping[str, Any], size: Size) -> ClusteringNetwork:
    return build_clustering_network(
        told["network"], size, most=told["most"], assign=told["assign"], temperature=told["temperature"]
    )
