"""How this process belongs to others that train together, as its environment tells it.

A process is a worker that `medcl ... --gpus N` started, a worker of torchrun (or of anything else that sets torch's
variables), a task of a SLURM step of several tasks, or alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from medcl.study.errors import BadInput

GUARD = "MEDCL_WORKER"
"""Set for the workers that medcl starts, and so in all that they start: whoever has it starts no more of them.

torch's RANK is no guard: it is not yet set while a worker imports the script that started it.
"""

SLURM_PORTS = range(15_000, 25_000)
"""Ports where the tasks of a SLURM step meet: above the well-known ones, below those that systems give to clients."""

_STEP_PORTS = 7
"""Distance of the ports of two jobs with neighbouring numbers, so that their first steps do not meet either."""


@dataclass(frozen=True)
class Membership:
    """This process among those that train together.

    Attributes:
        launcher: who started it, in words: "medcl", "torchrun", "srun"; "" of a process that is alone.
        rank: its number, from 0.
        world: how many there are.
        local_rank: its number on this machine.
        local_world: how many there are on this machine.
        host: of the process (or the launcher) where all meet.
        port: of the same.
        hosts: whether this process is that one.
        attempt: times that the launcher has started the workers before.
    """

    launcher: str = ""
    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1
    host: str = ""
    port: int = 0
    hosts: bool = False
    attempt: int = 0


class NotYetWorker(Exception):
    """This is a worker's process, but the worker has not begun: it is still importing the script that started it."""


def membership(environment: Mapping[str, str]) -> Membership:
    """Read how this process belongs to others.

    Raises:
        BadInput: the variables are incomplete or make no sense; names them.
        NotYetWorker: the call is part of a worker's imports.
    """
    if GUARD in environment and "RANK" not in environment:
        raise NotYetWorker
    if GUARD in environment or _has_torch_variables(environment):
        return _of_torch(environment)
    if _number(environment, "SLURM_STEP_NUM_TASKS", 1) > 1:  # not SLURM_NTASKS: a plain batch script has that too
        return _of_slurm(environment)
    return Membership()


def hosts_of(nodes: str) -> list[str]:
    """Return the hosts of a SLURM node list such as "gpu[003-005,9],login1" in their order.

    Raises:
        BadInput: it is no such list.
    """
    names = [name for part in _parts(nodes) for name in _expanded(part)]
    if not names or not all(re.fullmatch(r"[\w.-]+", name) for name in names):
        raise BadInput(f"The node list {nodes!r} cannot be read; expected something like node[001-004,7],other1.")
    return names


def tasks_per_node(told: str) -> list[int]:
    """Return the numbers of SLURM's "2(x3),1" one by one: [2, 2, 2, 1].

    Raises:
        BadInput: it is no such list.
    """
    counts: list[int] = []
    for part in told.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if not match:
            raise BadInput(f"SLURM_STEP_TASKS_PER_NODE is {told!r}; expected something like 4(x2),1.")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts


def _has_torch_variables(environment: Mapping[str, str]) -> bool:
    needed = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return "TORCHELASTIC_RUN_ID" in environment or all(name in environment for name in needed)


def _of_torch(environment: Mapping[str, str]) -> Membership:
    needed = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in needed if name not in environment]:
        raise BadInput(
            f"This process looks like one of several ({_words(environment)}), but {', '.join(missing)} is not set. "
            "Start it with torchrun or srun, or unset these variables."
        )
    world = _number(environment, "WORLD_SIZE")
    agent = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # the launcher itself is where all meet
    return _checked(
        Membership(
            launcher="medcl" if GUARD in environment else "torchrun",
            rank=_number(environment, "RANK"),
            world=world,
            local_rank=_number(environment, "LOCAL_RANK"),
            local_world=_number(environment, "LOCAL_WORLD_SIZE", world),
            host=environment["MASTER_ADDR"],
            port=_number(environment, "MASTER_PORT"),
            hosts=_number(environment, "RANK") == 0 and not agent,
            attempt=_number(environment, "TORCHELASTIC_RESTART_COUNT", 0),
        )
    )


def _of_slurm(environment: Mapping[str, str]) -> Membership:
    needed = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NODELIST", "SLURM_JOB_ID", "SLURM_STEP_ID")
    if missing := [name for name in needed if name not in environment]:
        raise BadInput(f"This is a task of a SLURM step, but {', '.join(missing)} is not set. Start it with srun.")
    world = _number(environment, "SLURM_STEP_NUM_TASKS")
    counts = tasks_per_node(environment.get("SLURM_STEP_TASKS_PER_NODE", str(world)))
    node = _number(environment, "SLURM_NODEID", 0)
    job, step = _number(environment, "SLURM_JOB_ID"), _number(environment, "SLURM_STEP_ID")
    rank = _number(environment, "SLURM_PROCID")
    if node >= len(counts):
        raise BadInput(
            f"SLURM_NODEID is {node}, but SLURM_STEP_TASKS_PER_NODE ({environment['SLURM_STEP_TASKS_PER_NODE']}) "
            f"tells of {len(counts)} nodes only."
        )
    return _checked(
        Membership(
            launcher="srun",
            rank=rank,
            world=world,
            local_rank=_number(environment, "SLURM_LOCALID"),
            local_world=counts[node],
            host=environment.get("MASTER_ADDR") or hosts_of(environment["SLURM_STEP_NODELIST"])[0],
            port=_number(environment, "MASTER_PORT", SLURM_PORTS[(_STEP_PORTS * job + step) % len(SLURM_PORTS)]),
            hosts=rank == 0,
        )
    )


def _checked(member: Membership) -> Membership:
    if not (0 <= member.rank < member.world and 0 <= member.local_rank < member.local_world):
        raise BadInput(
            f"{member.launcher} says that this is process {member.rank} of {member.world}, and {member.local_rank} of "
            f"{member.local_world} on this machine: that cannot be. Processes are counted from 0."
        )
    if not 0 < member.port < 2**16:
        raise BadInput(f"MASTER_PORT is {member.port}; expected 1 to 65535.")
    return member


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise BadInput(f"{name} is {text!r}; expected a whole number.") from None


def _words(environment: Mapping[str, str]) -> str:
    names = (GUARD, "TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE", "LOCAL_RANK")
    return ", ".join(f"{name}={environment[name]}" for name in names if name in environment)


def _parts(nodes: str) -> list[str]:
    """Cut a node list at the commas that stand outside of brackets."""
    return [part for part in re.split(r",(?![^\[]*\])", nodes.strip()) if part]


def _expanded(part: str) -> list[str]:
    """Write out the first bracket of a name, then the others: a name may have several."""
    match = re.match(r"([^\[\]]*)\[([^\[\]]+)\](.*)", part)
    if not match:
        return [part]
    start, inner, rest = match.groups()
    numbers: list[str] = []
    for item in inner.split(","):
        span = re.fullmatch(r"(\d+)-(\d+)", item)
        if span is None:
            numbers.append(item)
        else:
            low, high = span.groups()  # 003-007 keeps its zeros
            numbers += [str(number).zfill(len(low)) for number in range(int(low), int(high) + 1)]
    return [f"{start}{number}{end}" for number in numbers for end in _expanded(rest)]
