"""One training in one process or in several, whoever starts them: medcl itself, torchrun or SLURM."""

from __future__ import annotations

import functools
import hashlib
import logging
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import medcl
from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.training.launching.address import Address
from medcl.training.launching.membership import GUARD, Membership, NotYetWorker, membership
from medcl.workflows.options import flag_name
from medcl.workflows.training_options import TrainingOptions

Chosen = TypeVar("Chosen", bound=TrainingOptions)
Result = TypeVar("Result")
Item = TypeVar("Item")

_OF_THE_MACHINE = {"study", "config", "workers", "rendezvous", "node_timeout"}
"""Options that may differ between machines."""

log = logging.getLogger("medcl")


def in_processes(
    work: Callable[[Chosen], Result], options: Chosen, stopped: Callable[[Chosen], Chosen] | None = None
) -> Result:
    """Call `work(options)` here, or in the processes that --gpus and --nodes ask for, or as one of those.

    Args:
        work: what one process does, at the top of its module; of several processes each calls it, with the same
            options, and `medcl.training.distributed` tells them apart. Its result is picklable.
        options: with --gpus, --nodes, --rendezvous and --node-timeout.
        stopped: for --resume, makes the options of the run that was stopped from those that were given.

    Returns:
        What `work` returns; of several processes that medcl starts, what the first on this machine does.

    Raises:
        BadInput: there are fewer GPUs than asked for, the options contradict torchrun or SLURM, or processes differ in
            code or options.
        MedclError: of the process that failed first.
        SystemExit: in a process of torchrun or SLURM when another one failed first (its error is the one to be told).
    """
    try:
        member = membership(os.environ)
    except NotYetWorker:
        if multiprocessing.current_process().name != "MainProcess":
            raise SystemExit(1) from None  # a worker being started: the launcher tells what is wrong with the script
        raise BadInput(f"The variable {GUARD} is set, which is for medcl's own processes: unset it.") from None
    if member.launcher:
        return _as_member(work, options, member)
    if options.resume and stopped is not None:
        options = stopped(options)
    return _from_here(work, options)


def is_main_process() -> bool:
    """Tell whether this process is the one to print the outcome; asks the environment only."""
    return membership(os.environ).rank == 0


def from_main(make: Callable[[], Item]) -> Item:
    """Return on every process what `make` returns on the first one, the only one to call it."""
    from medcl.training.distributed import is_main, share

    return share(make() if is_main() else None)  # type: ignore[return-value]  # the first process's is never that None


def _from_here(work: Callable[[Chosen], Result], options: Chosen) -> Result:
    """Work in this process, or start others."""
    if options.nodes > 1 and options.rendezvous is None:
        raise BadInput(
            f"--nodes {options.nodes} needs --rendezvous HOST:PORT: one of the machines and a free port there, the "
            "same on every machine. torchrun and srun do without: they start the processes themselves."
        )
    if options.nodes == 1 and options.rendezvous is not None:
        raise BadInput("--rendezvous is where several machines meet: give --nodes too, or leave it out.")
    processes = options.gpus or 1
    several = processes * options.nodes > 1
    if several:
        _hush_torch()
    if options.gpus is not None or several:
        from medcl.training.device import require_gpus

        require_gpus(processes, options.device)
    if not several:
        return work(options)
    from medcl.training.launching.launch import launch

    log.info(_told(processes, options))
    return launch(
        functools.partial(_work_if_same, work),
        options,
        processes=processes,
        nodes=options.nodes,
        rendezvous=None if options.rendezvous is None else Address.parse(options.rendezvous),
        device=options.device,
        patience=options.node_timeout,
    )


def _as_member(work: Callable[[Chosen], Result], options: Chosen, member: Membership) -> Result:
    """Work as one of the processes that torchrun or SLURM started."""
    _hush_torch()
    from medcl.training.distributed import world_size

    if world_size() > 1:  # joined already: one of our own workers
        return work(options)
    if member.launcher == "medcl":
        raise BadInput("A worker of medcl started this command: its own processes start no further trainings.")
    _refuse_contradiction(options, member)
    if member.world == 1:
        return work(options)
    if options.rendezvous is not None and member.rank == 0:
        log.info(f"Without effect in this run, whose processes {member.launcher} started: --rendezvous.")
    from medcl.training.device import resolve_device
    from medcl.training.launching.join import PeerFailed, joined

    try:
        with joined(member, resolve_device(options.device), options.node_timeout):
            return _work_if_same(work, options)
    except PeerFailed:
        raise SystemExit(1) from None


def _refuse_contradiction(options: TrainingOptions, member: Membership) -> None:
    """Refuse --gpus and --nodes that are not what was started."""
    started = (
        f"{member.launcher} started {counted(member.local_world, 'process', 'processes')} on this machine and "
        f"{member.world} in all"
    )
    if options.gpus is not None and options.gpus != member.local_world:
        raise BadInput(f"--gpus {options.gpus}: {started}. Leave --gpus out, or let {member.launcher} start as many.")
    if "nodes" in options.model_fields_set and options.nodes * member.local_world != member.world:
        raise BadInput(f"--nodes {options.nodes}: {started}. Leave --nodes out, or let {member.launcher} use as many.")


def _work_if_same(work: Callable[[Chosen], Result], options: Chosen) -> Result:
    """Work, but not with processes of another version, with changed code or with other options.

    Raises:
        BadInput: names what differs on which process.
    """
    from medcl.training.distributed import require_same

    chosen = options.model_dump(mode="json", exclude=_OF_THE_MACHINE)
    code = {"version of medcl": medcl.__version__, "code of medcl": _hash_of_code(Path(medcl.__file__).parent)}
    require_same({**code, **{flag_name(name): str(value) for name, value in chosen.items()}})
    return work(options)


def _hash_of_code(package: Path) -> str:
    """Hash of the names and contents of a package's source files."""
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(str(file.relative_to(package)).encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _told(processes: int, options: TrainingOptions) -> str:
    where = "the CPU" if options.device == "cpu" else counted(processes, "GPU")
    of = f", one of {options.nodes} that meet at {options.rendezvous}" if options.nodes > 1 else ""
    return f"Starting {counted(processes, 'process', 'processes')} on {where} of this machine{of}."


def _hush_torch() -> None:
    """Keep torch's C++ part from telling of lost connections with stack traces; set the variable to see them."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
