"""A clustering of images, ready to be told: who is in which cluster, and how the clusters came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from medcl.data.samples import Samples
    from medcl.evaluation.assign import Assigned
    from medcl.evaluation.stability import Stability
    from medcl.figures.clustering.elbow import Elbow
    from medcl.networks.clustering_network import ClusteringNetwork
    from medcl.workflows.cluster_images import ClusterImages


@dataclass(frozen=True)
class ClusterOutcome:
    """What is written by `medcl cluster train` and `apply`.

    Attributes:
        command: that made it.
        run: whose prototypes.
        network: of the run, in evaluation mode, on its device.
        device: where the network is.
        images: where the images come from.
        samples: the images, with the side of the split of each.
        found: where each of them belongs.
        elbow: how the number of clusters came about; None when it was not looked for here.
        stability: of the clusters; None when it was not looked at.
        notes: what a reader must know first.
        facts: how it was made, for the page's footer.
        seed: of the maps.
    """

    command: str
    run: str
    network: ClusteringNetwork
    device: torch.device
    images: ClusterImages
    samples: Samples
    found: Assigned
    elbow: Elbow | None = None
    stability: Stability | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    @property
    def clusters(self) -> int:
        """How many prototypes there are."""
        return self.network.head.clusters

    @property
    def of_patients(self) -> bool:
        """Whether arrays run along the patient's axes, as in a store made from a cohort."""
        return "npz" not in self.images.card
