"""Which processes train a run, for run.json."""

from __future__ import annotations

import socket

import torch

from medcl.training.device import describe_device
from medcl.training.distributed import gather_objects, rank


def list_processes(device: torch.device) -> list[dict[str, object]]:
    """Return rank, host and device of every process, in the order of ranks; all of them must call this."""
    own = {"rank": rank(), "host": socket.gethostname(), "device": describe_device(device)}
    return gather_objects(own)
