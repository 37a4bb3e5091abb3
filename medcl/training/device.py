"""Which device trains, and what it is called."""

from __future__ import annotations

import platform

import torch

from medcl.study.errors import BadInput

DEVICES = ("auto", "cpu", "cuda", "mps")


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device of a name.

    "auto" is a CUDA device where there is one, else the CPU; Apple's mps is taken only when asked for, since it
    lacks some 3D operations.

    Raises:
        BadInput: the name is unknown or the machine has no such device.
    """
    if name not in DEVICES:
        raise BadInput(f"--device is {name!r}; known are {', '.join(DEVICES)}.")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput(f"--device cuda: {_why_no_cuda()} Use --device cpu, or see `medcl doctor` for what was found.")
    if name == "mps" and not torch.backends.mps.is_available():
        raise BadInput("--device mps: this machine has no Apple GPU that torch can use. Use --device cpu.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device's name for run.json and messages, such as "cuda (NVIDIA H200)" or "cpu (x86_64)"."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"{device.type} ({platform.processor() or platform.machine()})"


def _why_no_cuda() -> str:
    if torch.version.cuda is None and torch.version.hip is None:
        return f"the installed torch {torch.__version__} is built without CUDA."
    return "torch finds no CUDA device (no GPU, or no driver for it)."
