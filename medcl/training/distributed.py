"""The one file that knows of ranks: every other file asks here, and with one process each call is free.

After each backward pass the loop averages the gradients of the stepped optimizer itself, in flat buckets and in
the parameters' order. DistributedDataParallel is not used: it leaves gradients of passes through an inner module
(encoder-only passes, a frozen discriminator) unreduced without a word, and rebuilds its buckets after the first
step, so that a resumed run would not be exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import Parameter

from medcl.study.errors import BadInput

Item = TypeVar("Item")

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


def share(item: Item) -> Item:
    """Return the first rank's `item` on every rank."""
    if world_size() == 1:
        return item
    items = [item]
    dist.broadcast_object_list(items, src=0)
    return items[0]


def any_rank(flag: bool) -> bool:
    """Tell whether `flag` is set on any rank; every rank gets the same answer."""
    return flag if world_size() == 1 else any(gather_objects(flag))


def mean_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the mean over the ranks of each named number, in the first rank's order.

    A number that a rank does not have is left out of that mean.
    """
    if world_size() == 1:
        return dict(numbers)
    everyone = gather_objects(dict(numbers))
    names = dict.fromkeys(name for of_rank in everyone for name in of_rank)
    there = {name: [of_rank[name] for of_rank in everyone if name in of_rank] for name in names}
    return {name: math.fsum(values) / len(values) for name, values in there.items()}


def require_same(facts: Mapping[str, str]) -> None:
    """Refuse ranks that are not of one mind, such as another version of the code or other data on one node.

    Args:
        facts: what must be equal, in words ("the code"), each with its hash or value on this rank.

    Raises:
        BadInput: on every rank, naming what differs and on which ranks.
    """
    everyone = gather_objects(dict(facts))
    problems = []
    for name in facts:
        ranks: dict[str, list[int]] = {}
        for number, of_rank in enumerate(everyone):
            ranks.setdefault(of_rank.get(name, "missing"), []).append(number)
        if len(ranks) > 1:
            told = "; ".join(f"{value} on rank {', '.join(map(str, who))}" for value, who in ranks.items())
            problems.append(f"The processes of this run do not have the same {name}: {told}.")
    if problems:
        raise BadInput([*problems, "Give every node the same installation of medcl and the same study folder."])


def shard_sizes(total: int) -> list[int]:
    """Return how many of `total` items each rank has: as equal as can be, the first ranks one more."""
    least, more = divmod(total, world_size())
    return [least + (number < more) for number in range(world_size())]


def own_rows(total: int) -> slice:
    """Return where this rank's share lies in a batch of `total` items."""
    sizes = shard_sizes(total)
    first = sum(sizes[: rank()])
    return slice(first, first + sizes[rank()])


def average_gradients(parameters: Sequence[Parameter]) -> None:
    """Replace each gradient by its mean over the ranks.

    A parameter that has a gradient on some ranks only counts as zero on the others; one without on all stays without.
    """
    if world_size() == 1:
        return
    # asked on the host, over the CPU's group: the device is not waited for
    present = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8)
    dist.all_reduce(present, dist.ReduceOp.MAX)
    used = [parameter for parameter, has in zip(parameters, present.tolist(), strict=True) if has]
    for parameter in used:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    for bucket in _buckets(used):
        gradients = [parameter.grad for parameter in bucket if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= world_size()
        for gradient, mean in zip(gradients, _split_like(flat, gradients), strict=True):
            gradient.copy_(mean)  # not replaced: fused optimizers want a gradient in its parameter's memory layout


def share_buffers(module: nn.Module) -> None:
    """Give every rank the first rank's buffers of `module`, whose shapes are the same on all."""
    if world_size() == 1:
        return
    for buffer in module.buffers():
        sent = buffer.contiguous()
        dist.broadcast(sent, src=0)
        buffer.copy_(sent)
    module.load_state_dict(module.state_dict())  # for what a module keeps beside its buffers and reads off them


def _started() -> bool:
    return dist.is_available() and dist.is_initialized()


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
