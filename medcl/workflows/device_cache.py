"""How much of a device's memory the volumes may take (`--cache`)."""

from __future__ import annotations

import sys
from typing import Literal

import torch

from medcl.training.device_memory import device_memory

CACHE_PART = 4
"""`--cache auto` lets the volumes take this part of a GPU's free memory: the rest is for the training itself."""


def cache_bytes(cache: Literal["auto", "on", "off"], device: torch.device, of_memory: int = 0) -> int:
    """Return the bytes that the volumes may take of `device`.

    Args:
        cache: the option.
        device: where it trains.
        of_memory: bytes that `auto` lets them take on a device without memory of its own.
    """
    if cache == "on":
        return sys.maxsize
    if cache == "auto" and device.type == "cpu":
        return of_memory
    memory = device_memory(device) if cache == "auto" and device.type == "cuda" else None
    return 0 if memory is None else memory.free // CACHE_PART
