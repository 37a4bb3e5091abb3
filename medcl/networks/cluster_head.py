"""Soft assignment of features to fixed prototypes: what conditions the decoder (Ferrante et al., 2023).

    cosine:     p_k = softmax over k of cos(h, c_k) / T             (paper; T 0.1 is ours)
    euclidean:  p_k = softmax over k of -|h - c_k|^2 / (T s)        (ours, nearest as KMeans has it)

with s the mean squared distance of training images to their prototype, so that T means the same whatever the features'
scale. How many clusters there are is found while training, so there is room for the most, and what lies beyond has the
probability 0. Nothing here is trained: prototypes are found by clustering and kept.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from medcl.study.errors import BadInput

Assign = Literal["cosine", "euclidean"]

TEMPERATURE = 0.1

SMALLEST = 1e-30
"""Features whose largest entry is below this have no direction: their cosine with every prototype is 0."""


class ClusterHead(nn.Module):
    """Maps features (B, F) to probabilities (B, most), in float32 or better.

    Args:
        features: F.
        most: clusters that there is room for.
        assign: "cosine" or "euclidean".
        temperature: T, above 0.

    Attributes:
        prototypes: (most, F); rows beyond the clusters are 0.
        count: clusters, 0 before they are fixed.
        scale: s.
    """

    prototypes: Tensor
    count: Tensor
    scale: Tensor

    def __init__(self, features: int, most: int, assign: Assign = "cosine", temperature: float = TEMPERATURE) -> None:
        super().__init__()
        self.most = most
        self.assign = assign
        self.temperature = temperature
        self.register_buffer("prototypes", torch.zeros(most, features))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("scale", torch.ones(()))
        self._clusters = 0
        self.register_load_state_dict_post_hook(_recount)  # type: ignore[no-untyped-call]

    @property
    def clusters(self) -> int:
        """K, 0 before the prototypes are fixed; asks no tensor, which on a GPU would make the host wait."""
        return self._clusters

    def recount(self) -> None:
        """Read K from its buffer, after something else than loading a state has changed the buffer."""
        self._clusters = int(self.count)

    @torch.no_grad()
    def fix(self, prototypes: Tensor, scale: float) -> None:
        """Keep the prototypes from now on.

        Args:
            prototypes: (K, F).
            scale: mean squared distance of training images to their prototype; only "euclidean" uses it.

        Raises:
            BadInput: there are more than there is room for, or assignments to them would not be numbers.
        """
        clusters, features = len(prototypes), self.prototypes.shape[1]
        if not 1 <= clusters <= self.most or prototypes.shape[1:] != (features,):
            raise BadInput(
                f"prototypes of shape {tuple(prototypes.shape)}: expected 1 to {self.most} rows of {features} features."
            )
        if not bool(torch.isfinite(prototypes).all()):
            raise BadInput("prototypes hold values that are no numbers; the encoder's features are not finite.")
        if self.assign == "cosine" and bool((prototypes.abs() < SMALLEST).all(dim=1).any()):
            raise BadInput("a prototype has length 0 and so no cosine with anything; take --assign euclidean.")
        if self.assign == "euclidean" and not (math.isfinite(scale) and scale > 0):
            raise BadInput(
                f"the mean squared distance of training images to their prototype is {scale:g}, which --assign "
                "euclidean cannot measure with; take fewer --clusters or --assign cosine."
            )
        self.prototypes.zero_()
        self.prototypes[:clusters].copy_(prototypes)
        self.count.fill_(clusters)
        self.scale.fill_(scale)
        self._clusters = clusters

    def forward(self, h: Tensor) -> Tensor:
        """Return the soft assignment (B, most): rows sum to 1, zeros beyond K.

        Raises:
            RuntimeError: the prototypes are not fixed yet.
        """
        with _full_precision(h):
            if self.assign == "cosine":
                logits = self._cosines(h) / self.temperature
            else:
                logits = -self._squares(h) / (self.temperature * self.scale)
            return pad(logits.softmax(dim=1), (0, self.most - self.clusters))

    def distances(self, h: Tensor) -> Tensor:
        """Return the distances to the prototypes, (B, K): 1 - cosine, or Euclidean.

        Raises:
            RuntimeError: the prototypes are not fixed yet.
        """
        with _full_precision(h):
            return 1 - self._cosines(h) if self.assign == "cosine" else self._squares(h).sqrt()

    def _cosines(self, h: Tensor) -> Tensor:
        rows = _raised(h)
        return _unit(rows) @ _unit(self._fixed().to(rows.dtype)).T

    def _squares(self, h: Tensor) -> Tensor:
        rows = _raised(h)
        # differences first: |h|^2 + |c|^2 - 2 h.c loses its digits where h is near c
        return (rows[:, None] - self._fixed().to(rows.dtype)).square().sum(dim=2)

    def _fixed(self) -> Tensor:
        if not self._clusters:
            raise RuntimeError("the prototypes are not fixed yet: cluster the features and call fix() first.")
        return self.prototypes[: self._clusters]


def _full_precision(tensor: Tensor) -> torch.autocast:
    """A context in which autocast is off on the tensor's device."""
    return torch.autocast(device_type=tensor.device.type, enabled=False)


def _raised(rows: Tensor) -> Tensor:
    return rows if rows.dtype == torch.float64 else rows.float()


def _unit(rows: Tensor) -> Tensor:
    """Rows of length 1; divided by their largest entry first, whose square may be too large for a number."""
    largest = rows.detach().abs().amax(dim=1, keepdim=True)
    none = largest < SMALLEST
    unit = normalize(rows / torch.where(none, 1.0, largest), dim=1)
    return torch.where(none, 0.0, unit)  # without direction no gradient: 1 / length would blow it up


def _recount(module: ClusterHead, incompatible_keys: object) -> None:
    module.recount()
