"""Work for processes that tests start: at the top of a module, so that a new process finds it."""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from medcl.study.errors import BadInput, RunFailed
from medcl.training.distributed import any_rank, barrier, gather_objects, rank, world_size
from medcl.training.interrupt import Interrupted, Interruption


def greet(word: str) -> dict[str, Any]:
    """Add up the ranks and tell what this process sees."""
    number = torch.tensor([float(rank())])
    dist.all_reduce(number)
    logging.getLogger("medcl").info(f"{word} from {rank()}")
    threads = gather_objects(torch.get_num_threads())
    return {"word": word, "world": world_size(), "sum": number.item(), "rank": rank(), "threads": threads}


def fail(how: str) -> None:
    """Fail on one rank while the others wait for it, or on all."""
    if how == "all":
        raise BadInput(["one problem", f"another problem of rank {rank()}"])
    if rank() == 1 and how == "run":
        raise RunFailed("the disk of rank 1 is full")
    if rank() == 1 and how == "fault":
        raise KeyError("gfr")
    if rank() == 0 and how == "main":
        raise BadInput("rank 0 dislikes it")
    if rank() == 1 and how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how in ("stuck", "stuck-kill"):
        if rank() == 1 and how == "stuck":
            raise RunFailed("the disk of rank 1 is full")
        if rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(300)
    barrier()


def wait_to_be_stopped(folder: str) -> str:
    """Take steps until a signal comes, as a training does; tell in a file of each rank that it goes on."""
    with Interruption() as interruption:
        Path(folder, f"rank-{rank()}").write_text(f"{os.getpid()}")
        for step in range(6000):
            if any_rank(interruption.asked):
                Path(folder, f"saved-{rank()}").write_text(str(step))
                raise Interrupted(f"Stopped by {interruption.reason}. The same command with --resume goes on.")
            time.sleep(0.05)
    return "never stopped"


def sleep(seconds: Any) -> None:
    """Do nothing for long."""
    time.sleep(float(seconds))


def ignore_signals(folder: str) -> None:
    """Be deaf for long, as a process is that waits for a GPU."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    barrier()
    if rank() == 0:
        Path(folder, "ready").touch()
    time.sleep(200)
