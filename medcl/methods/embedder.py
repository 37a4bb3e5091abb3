"""An encoder with its projection head, in one pass or, where a batch does not fit into memory, in two.

Losses over a whole batch cannot be added up from parts of it. Two-pass gradient caching (Gao et al., RepL4NLP
2021) still needs the memory of a part only: each part goes through without keeping its intermediate results,
and goes through once more when its gradient is wanted. The embeddings, the loss and the gradients are those
of the whole batch, except for batch norms, whose statistics while training are those of a part. Their running
averages count every image once.

Where several processes share a batch, each passes its images through the encoder; the features are gathered and the
head maps all of them on every rank, so that its dropout is drawn as by one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from medcl.training.distributed import shard_sizes
from medcl.training.gather import gather_rows

EVALUATION_IMAGES = 16
"""Images at a time in evaluation, where the parts do not depend on each other."""


class Embedder(nn.Module):
    """Maps volumes (B, C, D, H, W) to embeddings of length 1.

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

    def forward(self, volumes: Tensor, images: int | None = None) -> Tensor:
        """Return one embedding an image: (images, out) while training, on every rank; (B, out) in evaluation.

        Args:
            volumes: this rank's share of the batch; all of it with one process.
            images: of the whole batch; those of `volumes` unless told.
        """
        if not self.training:
            return torch.cat([self._embed(part) for part in torch.split(volumes, EVALUATION_IMAGES)])
        return cast(Tensor, self.projection(self.features(volumes, images)))

    def features(self, volumes: Tensor, images: int | None = None) -> Tensor:
        """Return the encoder's features: of all images on every rank while training, of `volumes` in evaluation."""
        if not self.training:
            return torch.cat([cast(Tensor, self.encoder(part)) for part in torch.split(volumes, EVALUATION_IMAGES)])
        images = len(volumes) if images is None else images
        return gather_rows(self._features(volumes, images), images)

    def _embed(self, volumes: Tensor) -> Tensor:
        return cast(Tensor, self.projection(self.encoder(volumes)))

    def _features(self, volumes: Tensor, images: int) -> Tensor:
        """The encoder's features of this rank's images, in as many parts as the largest share needs.

        All ranks go in as many parts, since batch norms meet in each of them.
        """
        parts = 1 if self.micro_batch is None else -(-shard_sizes(images)[0] // self.micro_batch)
        if parts == 1:
            return cast(Tensor, self.encoder(volumes))
        return torch.cat(
            [
                cast(Tensor, checkpoint(self.encoder, part, use_reentrant=False, context_fn=self._contexts))
                for part in torch.tensor_split(volumes, parts)
            ]
        )

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
