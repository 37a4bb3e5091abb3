"""Which device trains, and what it is called."""

from __future__ import annotations

import os
import platform

import torch

from medcl.study.errors import BadInput
from medcl.study.plural import counted
from medcl.training.launching.membership import Membership, membership

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device of a name; of several processes on a machine each has the GPU of its local number.

    "auto" is a CUDA device where there is one, else the CPU; Apple's mps is taken only when asked for, since it
    lacks some 3D operations.

    Raises:
        BadInput: the name is unknown or the machine has no such device.
    """
    if name not in DEVICES:
        raise BadInput(f"--device is {name!r}; known are {', '.join(DEVICES)}.")
    member = membership(os.environ)
    if name == "auto":
        return _gpu_of(member) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise BadInput(
                f"--device cuda: {_why_no_cuda()} Use --device cpu, or see `medcl doctor` for what was found."
            )
        return _gpu_of(member)
    if name == "mps" and not torch.backends.mps.is_available():
        raise BadInput("--device mps: this machine has no Apple GPU that torch can use. Use --device cpu.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device's name for run.json and messages, such as "cuda (NVIDIA H200)" or "cpu (x86_64)"."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.processor() or platform.machine()})"


def require_gpus(gpus: int, device: str) -> None:
    """Refuse more GPUs than this machine has, before anything is started on them.

    Args:
        gpus: the value of `--gpus`.
        device: the value of `--device`; "cpu" starts processes on the CPU and needs none.

    Raises:
        BadInput: with the number that there is.
    """
    if device == "cpu":
        return
    if device == "mps":
        if gpus > 1:
            raise BadInput(f"--gpus {gpus}: --device mps trains in one process. Leave --gpus out.")
        return
    there = torch.cuda.device_count()
    if there == 0:
        raise BadInput(
            f"--gpus {gpus}: this machine has no GPU that torch can use: {_why_no_cuda()} Leave --gpus out to train on "
            f"the CPU; for trials, --device cpu --gpus {gpus} starts {counted(gpus, 'process', 'processes')} there."
        )
    if gpus > there:
        raise BadInput(f"--gpus {gpus}: this machine has {counted(there, 'GPU')}. Ask for at most {there}.")


def _gpu_of(member: Membership) -> torch.device:
    """The GPU of this process: the only one that it sees, or the one of its number on this machine."""
    if not member.launcher:
        return torch.device("cuda")
    there = torch.cuda.device_count()
    if there == 1 and member.launcher == "srun":  # SLURM may have given each task its own
        return torch.device("cuda", 0)
    if member.local_rank >= there:
        raise BadInput(
            f"{member.launcher} started {counted(member.local_world, 'process', 'processes')} on this machine, which "
            f"has {counted(there, 'GPU')}. Start as many as there are GPUs, or use --device cpu for trials."
        )
    return torch.device("cuda", member.local_rank)


def _why_no_cuda() -> str:
    if torch.version.cuda is None and torch.version.hip is None:
        return f"the installed torch {torch.__version__} is built without CUDA."
    return "torch finds no CUDA device (no GPU, or no driver for it)."
