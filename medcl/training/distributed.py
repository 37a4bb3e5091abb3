"""The one file that knows of ranks: every other file asks here, and with one process each call is free.

After each backward pass the loop averages the gradients of the stepped optimizer itself, in flat buckets and in
the parameters' order. DistributedDataParallel is not used: it leaves gradients of passes through an inner module
(encoder-only passes, a frozen discriminator) unreduced without a word, and rebuilds its buckets after the first
step, so that a resumed run would not be exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from medcl.study.errors import BadInput

BUCKET_BYTES = 32 * 1024 * 1024
"""Size of a flat bucket: large enough that a reduction is bound by bandwidth, small enough to cost little memory."""


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if _started() else 0


def world_size() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if _started() else 1


def is_main() -> bool:
    """Tell whether this process is the one that writes files and reports."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process has come here."""
    if world_size() > 1:
        dist.barrier()


def gather_objects(item: Any) -> list[Any]:
    """Return every rank's `item`, in the order of ranks."""
    if world_size() == 1:
        return [item]
    items: list[Any] = [None] * world_size()
    dist.all_gather_object(items, item)
    return items


def average_gradients(parameters: Sequence[Parameter]) -> None:
    """Replace each gradient by its mean over the ranks.

    A parameter that has a gradient on some ranks only counts as zero on the others; one without on all stays without.
    """
    if world_size() == 1:
        return
    present = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8)
    present = present.to(parameters[0].device)
    dist.all_reduce(present, dist.ReduceOp.MAX)
    used = [parameter for parameter, has in zip(parameters, present.tolist(), strict=True) if has]
    for bucket in _buckets(used):
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= world_size()
        for parameter, mean in zip(bucket, _split_like(flat, gradients), strict=True):
            parameter.grad = mean


def require_one_gpu(gpus: int | None, device: torch.device) -> None:
    """Refuse a number of GPUs that cannot be used.

    Args:
        gpus: the value of `--gpus`; None where it was not given.
        device: where the run trains.

    Raises:
        BadInput: more GPUs are asked for than the machine has, or more than one process.
    """
    if gpus is None or gpus == 1:
        return
    if gpus < 1:
        raise BadInput(f"--gpus is {gpus}; expected 1 or more (without a GPU use --device cpu).")
    there = torch.cuda.device_count()
    if device.type == "cuda" and gpus > there:
        raise BadInput(f"--gpus {gpus}: this machine has {_count(there)}. Ask for at most {there}.")
    if device.type != "cuda" and there == 0:
        raise BadInput(
            f"--gpus {gpus}: this machine has no GPU that torch can use. "
            "Leave --gpus out to train on the CPU in one process."
        )
    raise BadInput(
        f"--gpus {gpus}: this version trains in one process, on one GPU or the CPU "
        f"(this machine has {_count(there)}). Use --gpus 1 or leave it out."
    )


def _started() -> bool:
    return dist.is_available() and dist.is_initialized()


def _count(gpus: int) -> str:
    return {0: "no GPU", 1: "1 GPU"}.get(gpus, f"{gpus} GPUs")


def _buckets(parameters: Sequence[Parameter]) -> Iterator[list[Parameter]]:
    """Cut the parameters, in their order, into runs of one type and at most `BUCKET_BYTES`."""
    bucket: list[Parameter] = []
    size = 0
    for parameter in parameters:
        more = parameter.numel() * parameter.element_size()
        if bucket and (size + more > BUCKET_BYTES or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += more
    if bucket:
        yield bucket


def _split_like(flat: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) for part, tensor in zip(parts, tensors, strict=True)]
