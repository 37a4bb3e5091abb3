"""A change of some samples of a batch, each by an amount of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medcl.data.to_device import to_device


def change_some(volumes: Tensor, amounts: Tensor, which: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Change the samples `which` of volumes (M, ...) in place; the others stay bit for bit as they are.

    Args:
        volumes: float32 or float64.
        amounts: (M, ...) on the CPU, of what each is changed by.
        which: (M,) whether, on the CPU, so that a GPU is not waited for.
        change: takes some of the samples and their amounts, on the volumes' device and of their type, changes the
            samples in place and returns them.
    """
    if not bool(which.any()):
        return
    amounts = to_device(amounts[which].to(volumes.dtype), volumes.device)
    if bool(which.all()):
        change(volumes, amounts)
        return
    where = to_device(torch.nonzero(which).flatten(), volumes.device)
    volumes[where] = change(volumes[where], amounts)
