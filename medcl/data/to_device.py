"""Small tensors on their way to a GPU, which the host does not wait for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return `tensor` (on the CPU) on `device`.

    On CUDA it goes through page-locked memory: a copy from ordinary memory makes the host wait until the device has
    done all that was asked of it before. torch keeps the page-locked memory until the copy is over.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
