"""The rows of a global batch, brought together from the ranks with their gradient.

A contrastive batch is global: every rank computes the one loss of all rows, so that N ranks with B rows each are one
process with N * B. The gradient of what a rank gave is the sum of what all ranks ask of it; since each of them has the
whole loss, that is N times the loss's gradient, and the mean over the ranks that the loop takes of the parameters'
gradients is the gradient of the one loss.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from medcl.training.distributed import own_rows, rank, shard_sizes, world_size


def gather_rows(rows: Tensor, total: int) -> Tensor:
    """Return the rows of all ranks, in the order of ranks.

    Half precision comes back as float32, in which losses are computed.

    Args:
        rows: (n, ...), this rank's share of the batch, n of `shard_sizes(total)`.
        total: rows of the global batch.

    Returns:
        (total, ...), the same on every rank; with one process `rows` itself.
    """
    if world_size() == 1:
        return rows
    if len(rows) != shard_sizes(total)[rank()]:
        raise ValueError(f"rank {rank()} gave {len(rows)} of {total} rows, expected {shard_sizes(total)[rank()]}")
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    return cast(Tensor, _Gather.apply(rows, total))  # type: ignore[no-untyped-call]


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, total: int) -> Tensor:
        sizes = shard_sizes(total)
        ctx.own = own_rows(total)
        # every rank sends as many rows as the largest share has: collectives want equal shapes
        sent = pad(rows, [0, 0] * (rows.ndim - 1) + [0, sizes[0] - len(rows)]).contiguous()
        received = [torch.empty_like(sent) for _ in sizes]
        dist.all_gather(received, sent)
        return torch.cat([part[:size] for part, size in zip(received, sizes, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        asked = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(asked)
        return asked[ctx.own], None
