"""How much memory the training device has and has left."""

from __future__ import annotations

import torch

from medcl.training.host_memory import Memory, host_memory


def device_memory(device: torch.device) -> Memory | None:
    """Return the memory of a CUDA device or of the machine; None where it is not told (mps).

    What torch has taken from a GPU and does not use counts as free.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return Memory(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), total)
    return host_memory() if device.type == "cpu" else None
