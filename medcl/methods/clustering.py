"""Contrastive clustering and reconstruction (Ferrante et al., Contrastive learning for unsupervised medical image
clustering and reconstruction, 2023), in two phases of one training.

    phase 1: NT-Xent(z) + a (MSE1 + MSE2)     encoder, projection and decoder learn; a = 0.1, MSE of the augmented views
    between: prototypes = KMeans of h of all training images as they are, their number by the elbow
    phase 2: MSE1 + MSE2                      only the decoder learns, conditioned on the soft assignment of h

The encoder is frozen in the second phase, its batch norms included: they stay in evaluation mode, whatever mode the
method is put into, so that the prototypes stay the clusters of what the encoder gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import Parameter

from medcl.data.loader import Batch
from medcl.losses.nt_xent import nt_xent
from medcl.losses.reconstruction import mean_squared_error
from medcl.losses.unit import full_precision
from medcl.methods.mean_cosines import mean_cosines
from medcl.methods.prototypes import MOST_CLUSTERS, Kind, Prototypes, find_prototypes
from medcl.networks.cluster_head import ClusterHead
from medcl.networks.clustering_network import ClusteringNetwork
from medcl.networks.encoder import Encoder
from medcl.training.distributed import share
from medcl.training.gather import gather_rows
from medcl.training.health import STUCK_SHARE
from medcl.training.step import Step

OPTIMIZER = "main"

TEMPERATURE = 0.5
"""Ours; the paper tells none."""

RECONSTRUCTION_WEIGHT = 0.1
CONTRASTIVE_EPOCHS = 50

WORST_MEAN = 0.25
"""Of an image with intensities in [0, 1] the mean squared error of a constant, at most: what a collapse leaves."""

ASSIGNED_AT_ONCE = 4096
"""Images whose distances to the prototypes are computed at a time."""


@dataclass(frozen=True)
class ClusteringOptions:
    """What can be chosen about the method.

    Attributes:
        temperature: of NT-Xent.
        decoupled: whether NT-Xent's sum holds the negatives only (the paper's equation 1 as printed).
        reconstruction_weight: a (paper 0.1).
        contrastive_epochs: epochs of the first phase (paper 50 of 100).
        clusters: K; None finds it (paper: elbow).
        most: clusters that are tried, at most, where K is to be found.
        kind: "kmeans" (paper), or "mixture", a mixture of Gaussians on a UMAP of h (ours).
        seed: of the clustering.
    """

    temperature: float = TEMPERATURE
    decoupled: bool = False
    reconstruction_weight: float = RECONSTRUCTION_WEIGHT
    contrastive_epochs: int = CONTRASTIVE_EPOCHS
    clusters: int | None = None
    most: int = MOST_CLUSTERS
    kind: Kind = "kmeans"
    seed: int = 0


class Clustering(nn.Module):
    """The method of `medcl cluster train`: the batch's images 2i and 2i + 1 are the two views of one image.

    Args:
        network: encoder, projection, decoder and head.
        options: what can be chosen.
        images: of a training batch; only the collapse value depends on it.

    Raises:
        ValueError: the head has less room than there may be clusters.

    Attributes:
        found: the clusters of the training images; None in the first phase.
    """

    def __init__(self, network: ClusteringNetwork, options: ClusteringOptions, *, images: int) -> None:
        super().__init__()
        room = options.most if options.clusters is None else options.clusters
        if network.head.most < room:
            raise ValueError(f"the head has room for {network.head.most} prototypes, but there may be {room}")
        self.network = network
        self.options = options
        self.images = images
        self.found: Prototypes | None = None

    @property
    def encoder(self) -> Encoder:
        """The network that is exported."""
        return self.network.encoder

    @property
    def collapse_loss(self) -> float | None:
        """The first phase's loss when all embeddings are equal; None where reconstruction could hide it.

        It is that of the contrastive part, ln(2B - 1), or ln(2B - 2) decoupled, for B images. The loss that is
        compared with it holds reconstruction's part too, which must be too small to matter there.
        """
        if self.found is not None:
            return None
        value = math.log(2 * self.images - (2 if self.options.decoupled else 1))
        hidden = self.options.reconstruction_weight * 2 * WORST_MEAN
        return value if hidden <= STUCK_SHARE * value else None

    def parameter_groups(self) -> dict[str, list[dict[str, list[Parameter]]]]:
        """Return all parameters, of both phases, under the one optimizer; those of the condition are a group apart.

        They get their first gradient in the second phase, when the others have momentum already: torch's fused SGD
        fails on a group of both.
        """
        condition = list(self.network.decoder.condition.parameters())
        known = {id(parameter) for parameter in condition}
        others = [parameter for parameter in self.network.parameters() if id(parameter) not in known]
        return {OPTIMIZER: [{"params": others}, {"params": condition}]}

    def begin_epoch(self, epoch: int, images: Callable[[], Iterator[Batch]]) -> list[str]:
        """Find the prototypes before the first epoch of the second phase, and freeze the encoder.

        Args:
            epoch: from 0.
            images: yields every training image once, as it is.

        Raises:
            RunFailed: there are fewer images, or different ones, than clusters.
        """
        if epoch < self.options.contrastive_epochs or self.found is not None:
            return []
        h = self._encode(images())
        options = self.options
        rows = h.cpu().numpy()
        found = find_prototypes(rows, options.clusters, most=options.most, seed=options.seed, kind=options.kind)
        self.found = found = share(found)  # ranks on other machines may have rounded otherwise
        self.network.head.fix(torch.from_numpy(found.centres).to(h), found.scale)
        self._follow_phase()
        return [_sizes_told(found, options), *found.notes, *_assignment_told(self.network.head, h, found.labels)]

    def steps(self, batch: Batch) -> Iterator[Step]:
        """Yield the batch's one step.

        Logs: reconstruction (MSE1 + MSE2); in the first phase contrastive and the mean cosine of positives and of
        negatives; in the second the mean entropy of the soft assignments and the share of the largest cluster.
        """
        result = self._losses(batch.volumes, len(batch.cases))
        yield Step(OPTIMIZER, result.loss, {"loss": result.loss.detach(), **result.logs}, result.embeddings)

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean losses of the phase over the batch's images, in two views each."""
        result = self._losses(batch.volumes, None)
        return {"loss": result.loss, **result.logs, "weight": result.loss.new_tensor(len(batch.volumes))}

    def after_step(self, epoch: int, step: int) -> None:
        """Nothing follows a step."""

    def train(self, mode: bool = True) -> Clustering:
        """As torch's; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.found is not None:
            self._frozen_modes()
        return self

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps beside weights and buffers, as tensors and plain types."""
        found = self.found
        if found is None:
            return {"found": None}
        return {
            "found": {
                "centres": torch.from_numpy(found.centres),
                "labels": torch.from_numpy(found.labels),
                "inertia": dict(found.inertia),
                "scale": found.scale,
                "notes": list(found.notes),
                "elbow": found.elbow,
                "bic": dict(found.bic),
            }
        }

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `get_extra_state`, in its phase."""
        kept = state["found"]
        self.found = None
        if kept is not None:
            self.found = Prototypes(
                centres=kept["centres"].cpu().numpy(),
                labels=kept["labels"].cpu().numpy(),
                inertia=dict(kept["inertia"]),
                scale=kept["scale"],
                notes=tuple(kept["notes"]),
                elbow=kept["elbow"],
                bic=dict(kept["bic"]),
            )
        self._follow_phase()

    def _follow_phase(self) -> None:
        """Freeze encoder and projection in the second phase, and only there."""
        for part in (self.network.encoder, self.network.projection):
            part.requires_grad_(self.found is None)
        self.train(self.training)

    def _frozen_modes(self) -> None:
        """Statistics of frozen batch norms would follow the views while training (the public code's fault)."""
        self.network.encoder.eval()
        self.network.projection.eval()

    def _losses(self, volumes: Tensor, images: int | None) -> _Losses:
        """The losses of the phase over the whole batch, on every rank.

        Args:
            volumes: this rank's share of a training batch, or all of a validation batch.
            images: of the whole training batch; None: `volumes` is all of it.
        """
        if self.found is None:
            return self._first_phase(volumes, images)
        return self._second_phase(volumes, images)

    def _first_phase(self, volumes: Tensor, images: int | None) -> _Losses:
        h = self.network.encoder(volumes)
        z = _whole(self.network.projection(h), images)
        options = self.options
        contrastive = nt_xent(z[0::2], z[1::2], options.temperature, options.decoupled).mean()
        reconstruction = self._reconstruction(volumes, h, images)
        positive, negative = mean_cosines(z.detach())
        logs = {
            "contrastive": contrastive.detach(),
            "reconstruction": reconstruction.detach(),
            "positive_cosine": positive,
            "negative_cosine": negative,
        }
        return _Losses(contrastive + options.reconstruction_weight * reconstruction, logs, z)

    def _second_phase(self, volumes: Tensor, images: int | None) -> _Losses:
        with torch.no_grad():
            h = self.network.encoder(volumes)
            assigned = _whole(self.network.head(h), images)
        reconstruction = self._reconstruction(volumes, h, images)
        logs = {
            "reconstruction": reconstruction.detach(),
            "assignment_entropy": torch.special.entr(assigned).sum(dim=1).mean(),
            "largest_cluster": _largest_share(assigned),
        }
        return _Losses(reconstruction, logs, None)

    def _reconstruction(self, volumes: Tensor, h: Tensor, images: int | None) -> Tensor:
        """MSE1 + MSE2, the mean over the images; the targets are the views that were encoded."""
        rebuilt = self.network.reconstruct(h, conditioned=self.found is not None)
        return 2 * _whole(mean_squared_error(volumes, rebuilt), images).mean()

    @torch.no_grad()
    def _encode(self, batches: Iterator[Batch]) -> Tensor:
        """The features (N, C) of images as they are, in evaluation mode and full precision."""
        training = self.training
        self.eval()
        parts = []
        for batch in batches:
            with full_precision(batch.volumes):
                parts.append(self.network.encoder(batch.volumes))
        self.train(training)
        return torch.cat(parts)


class _Losses(NamedTuple):
    """Of a whole batch; `logs` carry no gradient, `embeddings` (2B, C) are there in the first phase only."""

    loss: Tensor
    logs: dict[str, Tensor]
    embeddings: Tensor | None


def _whole(rows: Tensor, images: int | None) -> Tensor:
    """The rows of all ranks, where they share a batch."""
    return rows if images is None else gather_rows(rows, images)


def _largest_share(assigned: Tensor) -> Tensor:
    """Share of the rows (B, most) whose likeliest cluster is the one that most of them have."""
    likeliest = assigned == assigned.amax(dim=1, keepdim=True)  # counted without indices, which a GPU would wait for
    return likeliest.to(assigned.dtype).mean(dim=0).amax()


def _sizes_told(found: Prototypes, options: ClusteringOptions) -> str:
    number = len(found.centres)
    how = "KMeans" if options.kind == "kmeans" else "A Gaussian mixture on a UMAP"
    if options.clusters is not None:
        why = "as asked"
    elif options.kind == "mixture":
        why = "by the lowest BIC"
    else:
        why = "at the elbow" if found.elbow else "without a clear elbow"
    sizes = ", ".join(f"{size:,}" for size in found.sizes)
    return f"{how} finds {number} clusters ({why}) in {len(found.labels):,} training images, of {sizes} images."


def _assignment_told(head: ClusterHead, h: Tensor, labels: NDArray[np.int64]) -> list[str]:
    """What differs when images are put to the nearest prototype: clusters that stay empty, images that change."""
    parts = [head.distances(part).argmin(dim=1) for part in torch.split(h, ASSIGNED_AT_ONCE)]
    nearest = torch.cat(parts).cpu().numpy()
    notes = []
    moved = int((nearest != labels).sum())
    if moved:
        notes.append(
            f"{moved:,} of {len(labels):,} training images ({moved / len(labels):.1%}) are nearer to the prototype of "
            f"another cluster by --assign {head.assign}, and count there."
        )
    empty = np.flatnonzero(np.bincount(nearest, minlength=head.clusters) == 0)
    if len(empty):
        which = ", ".join(str(cluster + 1) for cluster in empty)  # as tables and pages number them
        notes.append(
            f"No training image is nearest to the prototype of cluster {which} by --assign {head.assign}: ask for "
            "fewer --clusters, or take the other --assign."
        )
    return notes
