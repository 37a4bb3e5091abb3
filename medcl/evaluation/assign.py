"""Images through a trained clustering: features, soft assignments, distances to the prototypes, reconstructions.

Each row of the samples is an image of its own, also the slices of one volume. Memory holds one batch of images and what
is kept of each: its features and a handful of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from medcl.data.samples import Samples
from medcl.losses.reconstruction import mean_squared_error
from medcl.networks.clustering_network import ClusteringNetwork
from medcl.study.errors import RunFailed

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

BATCH = 512
"""Images of 28 x 28 at once; larger images go in smaller batches of about as many voxels."""

_BATCH_VOXELS = BATCH * 28 * 28


@dataclass(frozen=True, eq=False)
class Assigned:
    """N images and where they belong.

    Attributes:
        rows: (N,) of the samples.
        h: (N, F) features of the encoder.
        z: (N, C) embeddings of length 1 behind the projection.
        soft: (N, K) soft assignment; rows sum to 1.
        distance: (N,) to the own prototype: 1 - cosine, or Euclidean, as the run assigns.
        error: (N,) mean squared error of the reconstruction.
    """

    rows: Ints
    h: Floats
    z: Floats
    soft: Floats
    distance: Floats
    error: Floats

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def clusters(self) -> Ints:
        """(N,) number of each image's cluster, from 0: the one of the highest soft assignment."""
        return np.asarray(self.soft.argmax(axis=1), np.int64)


def assign(network: ClusteringNetwork, samples: Samples, rows: Ints, *, device: torch.device) -> Assigned:
    """Put images to the prototypes of a network.

    Args:
        network: in evaluation mode, with fixed prototypes.
        samples: the images, of the size that the network was built for.
        rows: (N,) which of them.
        device: where the network is.

    Raises:
        BadInput: a file is missing or damaged.
        RunFailed: features that are not finite; names the images.
    """
    parts = list(_passed(network, samples, rows, device))
    h, z, soft, distance, error = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Assigned(rows, h, z, soft, distance, error)


@torch.inference_mode()
def rebuilt(network: ClusteringNetwork, samples: Samples, rows: Sequence[int], *, device: torch.device) -> Floats:
    """The images (N, Z, Y, X) as the decoder makes them from their features and soft assignments."""
    parts = [
        network.reconstruct(network.encoder(volumes), True)[:, 0].float().cpu().numpy()
        for volumes in _batches(samples, np.asarray(rows, np.int64), device)
    ]
    return np.concatenate(parts) if parts else np.empty((0, *samples.size), np.float32)


@torch.inference_mode()
def _passed(
    network: ClusteringNetwork, samples: Samples, rows: Ints, device: torch.device
) -> Iterator[tuple[Floats, Floats, Floats, Floats, Floats]]:
    if network.training:
        raise ValueError("assign needs a network in evaluation mode")
    count, start = network.head.clusters, 0
    for volumes in _batches(samples, rows, device):
        h = network.encoder(volumes).float()
        _require_finite(samples, rows[start : start + len(volumes)], h)
        start += len(volumes)
        soft = network.head(h)[:, :count]
        distance = network.head.distances(h).gather(1, soft.argmax(dim=1, keepdim=True))[:, 0]
        error = mean_squared_error(volumes, network.reconstruct(h, True))
        found = (h, network.projection(h), soft, distance, error)
        yield tuple(each.float().cpu().numpy() for each in found)  # type: ignore[misc]


def _batches(samples: Samples, rows: Ints, device: torch.device) -> Iterator[torch.Tensor]:
    size = max(1, min(BATCH, _BATCH_VOXELS // int(np.prod(samples.size))))
    buffer = np.empty((min(size, len(rows)), 1, *samples.size), np.float32)
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        for place, row in enumerate(batch):
            samples.read(int(row), buffer[place, 0])
        yield torch.from_numpy(buffer[: len(batch)]).to(device, copy=True)


def _require_finite(samples: Samples, rows: Ints, h: torch.Tensor) -> None:
    wrong = rows[~torch.isfinite(h).all(dim=1).cpu().numpy()]
    if len(wrong):
        cases = list(dict.fromkeys(str(case) for case in samples.cases[wrong]))
        raise RunFailed(
            f"the encoder's features are not finite for {', '.join(cases[:5])}{', ...' if len(cases) > 5 else ''}: its "
            "training diverged (see the run's metrics.csv), or the images are damaged."
        )
