"""An encoder with its projection head, in one pass or, where a batch does not fit into memory, in two.

Losses over a whole batch cannot be added up from parts of it. Two-pass gradient caching (Gao et al., RepL4NLP
2021) still needs the memory of a part only: each part goes through without keeping its intermediate results,
and goes through once more when its gradient is wanted. The embeddings, the loss and the gradients are those
of the whole batch, except for batch norms, whose statistics while training are those of a part, as on so many
GPUs. Their running averages count every image once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

EVALUATION_IMAGES = 16
"""Images at a time in evaluation, where the parts do not depend on each other."""


class Embedder(nn.Module):
    """Maps volumes (B, C, D, H, W) to embeddings (B, out) of length 1.

    Args:
        encoder: volumes to features; this is what a run exports.
        projection: features to embeddings; the loss sees these.
        micro_batch: images that go through at a time while training; None is all.
    """

    def __init__(self, encoder: nn.Module, projection: nn.Module, micro_batch: int | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.micro_batch = micro_batch

    def forward(self, volumes: Tensor) -> Tensor:
        """Return one embedding a volume."""
        if not self.training:
            return torch.cat([self._whole(part) for part in torch.split(volumes, EVALUATION_IMAGES)])
        if self.micro_batch is None or len(volumes) <= self.micro_batch:
            return self._whole(volumes)
        parts = torch.split(volumes, self.micro_batch)
        return torch.cat(
            [
                cast(Tensor, checkpoint(self._whole, part, use_reentrant=False, context_fn=self._contexts))
                for part in parts
            ]
        )

    def _whole(self, volumes: Tensor) -> Tensor:
        return cast(Tensor, self.projection(self.encoder(volumes)))

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _running_averages_kept(self)


@contextmanager
def _running_averages_kept(module: nn.Module) -> Iterator[None]:
    """Let batch norms compute, and leave their running averages as they are: the first pass has moved them."""
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)
