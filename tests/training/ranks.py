"""Runs a function in several processes that form a group, as the ranks of a run do."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist


def in_ranks(world: int, function: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """Call `function(*arguments)` on each of `world` ranks (gloo); return their results in the order of ranks.

    Args:
        world: 1 runs without a group, in a process of its own all the same.
        function: at the top of its module, so that a new process finds it.
        folder: for the ranks' meeting and results; one call a folder.
        arguments: picklable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context = torch.multiprocessing.get_context("spawn")
    ranks = [context.Process(target=_rank, args=(of, world, folder, function, arguments)) for of in range(world)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(240)
        if process.is_alive():
            process.kill()
    told = "\n".join(file.read_text() for file in sorted(folder.glob("error-*.txt")))
    assert [process.exitcode for process in ranks] == [0] * world, told
    return [torch.load(folder / f"result-{of}.pt", weights_only=False) for of in range(world)]


def _rank(of: int, world: int, folder: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    try:
        if world > 1:
            meeting = f"file://{folder / 'meeting'}"
            dist.init_process_group(
                "gloo", init_method=meeting, rank=of, world_size=world, timeout=timedelta(seconds=60)
            )
        torch.save(function(*arguments), folder / f"result-{of}.pt")
        if dist.is_initialized():
            dist.destroy_process_group()
        os._exit(0)  # as a worker leaves: Python's own end was seen to abort in a thread of torch's collectives
    except BaseException:
        (folder / f"error-{of}.txt").write_text(traceback.format_exc())
        raise
