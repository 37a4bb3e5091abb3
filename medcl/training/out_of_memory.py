"""Running out of memory is told as what it is, with what to lower, the most harmless first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from medcl.study.errors import RunFailed
from medcl.training.device import describe_device
from medcl.training.device_memory import device_memory
from medcl.training.words import size

_SIGNS = (
    "out of memory",  # CUDA's runtime, mps
    "can't allocate memory",  # torch's allocator for CPUs
    "not enough memory",  # the same on Windows
    "ALLOC_FAILED",  # cuDNN, cuBLAS
    "std::bad_alloc",
)
"""What errors say that are no `torch.OutOfMemoryError` and no MemoryError."""

_ASKED = re.compile(r"tried to allocate ([\d.]+) ?(bytes|[KMGT]iB)", re.IGNORECASE)


@contextmanager
def out_of_memory_told(device: torch.device, where: Callable[[], str], options: Mapping[str, Any]) -> Iterator[None]:
    """Turn an error of an allocator, in the block, into a RunFailed that says what to do.

    Args:
        device: that the block computes on.
        where: says what was being done, as "step 3 (epoch 1, batch 3 of 20)"; asked when it has failed.
        options: of the run; what they already have is not advised ("micro_batch", "precision").

    Raises:
        RunFailed: memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise RunFailed(_sentences(error, device, where(), options)) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an allocator, torch's or Python's, raised this."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def _sentences(error: BaseException, device: torch.device, where: str, options: Mapping[str, Any]) -> list[str]:
    memory = device_memory(device)
    there = "" if memory is None else f": {describe_device(device)} has {size(memory.total)}, {size(memory.free)} free"
    asked = _ASKED.search(str(error))
    more = ""
    if asked:
        amount, unit = asked.groups()
        more = f"; {size(int(amount)) if unit == 'bytes' else f'{amount} {unit}'} more were asked for"
    return [
        f"Out of memory at {where}{there}{more}.",
        "What to lower, the most harmless first:",
        *(f"  {advice}" for advice in _advice(options)),
        "With another of these values start a new run; --resume goes on with the run's own.",
    ]


def _advice(options: Mapping[str, Any]) -> list[str]:
    parts = options.get("micro_batch")
    if parts is None or parts == "auto":
        advice = ["--micro-batch auto, or a number of images at a time (the same mathematics, apart from batch norm)"]
    else:
        advice = [f"--micro-batch below {parts} (the same mathematics, apart from batch norm)"] if parts > 1 else []
    if options.get("precision") not in ("bf16", "fp16"):
        advice.append("--precision bf16 (half of the memory for intermediate results)")
    return [
        *advice,
        "a smaller --size of `medcl preprocess` (less detail)",
        "a smaller --batch-size (another method: fewer pairs are compared at a time)",
    ]
