from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from medcl.training import distributed
from medcl.training.distributed import (
    average_gradients,
    barrier,
    gather_objects,
    is_main,
    rank,
    world_size,
)


def test_one_process_is_rank_zero_of_one_and_keeps_its_gradients() -> None:
    assert (rank(), world_size(), is_main()) == (0, 1, True)
    barrier()
    assert gather_objects("a") == ["a"]
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = gradient = torch.tensor([1.0, 2.0])
    average_gradients([parameter])
    assert parameter.grad is gradient


def gradients(of: int) -> list[torch.Tensor | None]:
    """Gradients of one rank: the second parameter has one on rank 1 only, the last on none."""
    given: list[torch.Tensor | None] = [torch.full((3,), float(of + 1)), None, torch.full((2, 2), 10.0 * of), None]
    if of == 1:
        given[1] = torch.tensor([4.0])
    return given


def two_ranks(of: int, address: str) -> None:
    dist.init_process_group("gloo", init_method=address, rank=of, world_size=2, timeout=timedelta(seconds=60))
    expected = [torch.full((3,), 1.5), torch.tensor([2.0]), torch.full((2, 2), 5.0), None]
    for distributed.BUCKET_BYTES in (1, 16, 1 << 20):  # each by itself, some together, all together
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in [(3,), (1,), (2, 2), (5,)]]
        for parameter, gradient in zip(parameters, gradients(of), strict=True):
            parameter.grad = gradient
        average_gradients(parameters)
        for parameter, mean in zip(parameters, expected, strict=True):
            assert (parameter.grad is None) if mean is None else torch.equal(parameter.grad, mean)
    last = nn.Parameter(torch.zeros(2, 3, 1, 2, 2).contiguous(memory_format=torch.channels_last_3d))
    last.grad = torch.full_like(last, float(of)) if of else None
    average_gradients([last])
    assert last.grad is not None
    assert last.grad.stride() == last.stride(), "in the layout that fused optimizers expect"
    assert gather_objects({"rank": of}) == [{"rank": 0}, {"rank": 1}]
    assert (rank(), world_size(), is_main()) == (of, 2, of == 0)
    barrier()
    dist.destroy_process_group()


@pytest.mark.ddp
def test_two_ranks_average_gradients_in_buckets(tmp_path: Path) -> None:
    context = torch.multiprocessing.get_context("spawn")
    address = f"file://{tmp_path / 'meeting'}"
    workers = [context.Process(target=two_ranks, args=(of, address)) for of in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
