"""How much memory a training took at its peak."""

from __future__ import annotations

import sys

import torch


def peak_memory(device: torch.device) -> int | None:
    """Return the peak in bytes: of the GPU's allocator on CUDA, of the process elsewhere; None where it is not told."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory(device: torch.device) -> None:
    """Forget the peak so far where the device can (CUDA); a process has one peak from its start to its end."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
