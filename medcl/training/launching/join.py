"""Joining the processes that train together, and leaving them, whether the work went well or not."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from medcl.study.errors import BadInput, RunFailed
from medcl.training.distributed import barrier, gather_objects
from medcl.training.launching.failure import Failure
from medcl.training.launching.meeting import (
    HOST_STAYS_SECONDS,
    Store,
    below,
    claim,
    first_failure,
    open_store,
    wait_for_all,
)
from medcl.training.launching.membership import Membership

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""With GPUs too, what the hosts tell each other goes over gloo and never touches a GPU."""

GROUP_TIMEOUT = timedelta(minutes=30)
"""A process that lets the others wait for longer (also while the first one writes a checkpoint) counts as lost."""

_CAUSE_SECONDS = 3.0
"""A process that noticed that another is gone waits this long to learn why."""

_WATCH_SECONDS = 1.0
_LEAVE_SECONDS = 5.0
"""After another process's failure one that is stuck (in a collective of NCCL) is ended after so many seconds."""

_meetings = itertools.count()


class PeerFailed(Exception):
    """Another process failed first; its failure is the one to show."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"process {failure.rank} failed first")
        self.failure = failure


@contextmanager
def joined(member: Membership, device: torch.device, patience: float) -> Iterator[None]:
    """While entered, this process is one of the group that `medcl.training.distributed` talks to.

    On processes other than the first the logger "medcl" is silent.

    Args:
        member: from `membership`.
        device: from `resolve_device`; of a GPU with its number.
        patience: seconds within which all have to come.

    Raises:
        BadInput: the port is in use, processes share a GPU, or the device is none for several.
        RunFailed: not all came in time, or another one ended without a word.
        PeerFailed: any error here, when another process failed before; else the error itself.
    """
    if device.type not in BACKENDS:
        raise BadInput(f"--device {device.type} trains in one process, and {member.launcher} started {member.world}.")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    else:
        _share_cores(member.local_world)
    name = f"{member.host}:{member.port} (where {member.launcher} lets the processes meet)"
    place = f"{member.attempt}/{next(_meetings)}"
    store = below(open_store(member.host, member.port, member.hosts, patience, name), place)
    left = threading.Event()
    watch: threading.Thread | None = None
    try:
        with _silent(member.rank > 0):
            wait_for_all(store, member.world, patience, lambda came: _missing(member, came, patience))
            # a connection of its own: one answers one caller at a time
            seen = below(open_store(member.host, member.port, False, patience, name), place)
            watch = threading.Thread(target=_watch, args=(seen, member.rank, left), daemon=True)
            watch.start()
            dist.init_process_group(
                BACKENDS[device.type], store=store, rank=member.rank, world_size=member.world, timeout=GROUP_TIMEOUT
            )
            _refuse_shared_gpus(device)
            yield
            barrier()  # the process that hosts the store must not be gone before the others are done with it
    except Exception as error:
        cause = _cause(store, error, member.rank)
        if member.hosts:
            _stay_a_little()
        if cause is error:
            raise
        raise cause from error
    finally:
        left.set()
        if watch is not None:
            watch.join(_WATCH_SECONDS)  # Python that ends while a thread is in torch's store aborts
    dist.destroy_process_group()


def _cause(store: Store, error: Exception, rank: int) -> Exception:
    """Return what to raise for an error of this process: itself, or that another one failed first."""
    failure = Failure.of(error, rank)
    patience = 0.0
    if failure.lost:
        patience = _CAUSE_SECONDS
        error = RunFailed(
            f"Process {rank} lost the connection to another one, which ended without a word (killed, or out of "
            f"memory?). The same command with --resume goes on from the last checkpoint. ({_line(error)})"
        )
        failure = Failure(rank, "RunFailed", tuple(error.problems), failure.trace, lost=True)
    try:
        first = first_failure(store, patience) or claim(store, failure)
    except (RuntimeError, ConnectionError):  # the store is gone with the process that hosted it
        return error
    return error if first == failure else PeerFailed(first)


def _stay_a_little() -> None:
    """Close the connections first, and the store, where the others learn why, with this process a little later."""
    if dist.is_initialized():
        leaving = threading.Thread(target=dist.destroy_process_group, daemon=True)  # NCCL may wait in there for ever
        leaving.start()
        leaving.join(HOST_STAYS_SECONDS)
    time.sleep(HOST_STAYS_SECONDS)


def _watch(store: Store, rank: int, left: threading.Event) -> None:
    """End this process when another one failed and this one does not notice.

    A GPU that waits in a collective for a peer that is gone does so for ever, and its process with it.
    """
    while not left.wait(_WATCH_SECONDS):
        try:
            first = first_failure(store)
        except (RuntimeError, ConnectionError):
            return  # the host of the store is gone: then the group's own errors tell
        if first is not None and first.rank != rank:
            if not left.wait(_LEAVE_SECONDS):
                os._exit(1)
            return


def _missing(member: Membership, came: int, patience: float) -> str:
    return (
        f"Only {came} of {member.world} processes came within {patience:g} s (--node-timeout): this is process "
        f"{member.rank}. See whether every node started its processes and reaches {member.host}:{member.port}."
    )


def _share_cores(local_world: int) -> None:
    """Give each process of this machine its part of the cores, unless the user decided."""
    if "OMP_NUM_THREADS" not in os.environ:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // local_world))


def _refuse_shared_gpus(device: torch.device) -> None:
    """Refuse two processes on one GPU, which NCCL would refuse in its own words."""
    mine = None if device.type != "cuda" else str(torch.cuda.get_device_properties(device).uuid)
    users: dict[str, list[int]] = {}
    for rank, gpu in enumerate(gather_objects(mine)):
        if gpu is not None:
            users.setdefault(gpu, []).append(rank)
    for ranks in users.values():
        if len(ranks) > 1:
            told = ", ".join(map(str, ranks))
            raise BadInput(
                f"The processes {told} were given the same GPU. Start as many processes on a node as it has GPUs, "
                "and with srun give each its own (--gpus-per-task=1) or let all see all (--gpus-per-node)."
            )


@contextmanager
def _silent(silent: bool) -> Iterator[None]:
    """Keep the logger "medcl" quiet while entered."""
    log = logging.getLogger("medcl")
    before = log.level
    if silent:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
