"""Changes of the intensities of a batch, one a sample: gamma, contrast, brightness."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medcl.data.to_device import to_device

SPATIAL = (1, 2, 3, 4)


def change_intensities(volumes: Tensor, gammas: Tensor, contrasts: Tensor, brightness: Tensor) -> Tensor:
    """Change volumes (M, 1, D, H, W) in place and return them; what comes out may leave [0, 1].

    Args:
        volumes: float32 or float64, meant to lie in [0, 1].
        gammas: (M,) powers on the CPU; 1 leaves a sample as it is, for others what is below 0 becomes 0.
        contrasts: (M,) factors of the distance from the sample's mean; 1 leaves it as it is.
        brightness: (M,) numbers that are added; 0 leaves it as it is.
    """
    _change(volumes, gammas, gammas != 1, lambda those, power: those.clamp_(min=0).pow_(power))
    _change(volumes, contrasts, contrasts != 1, _stretch)
    _change(volumes, brightness, brightness != 0, lambda those, more: those.add_(more))
    return volumes


def _stretch(volumes: Tensor, factor: Tensor) -> Tensor:
    mean = volumes.mean(dim=SPATIAL, keepdim=True)
    return volumes.sub_(mean).mul_(factor).add_(mean)


def _change(volumes: Tensor, amounts: Tensor, which: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Apply `change` to the samples `which` (on the CPU, so that a GPU is not waited for)."""
    if not bool(which.any()):
        return
    amounts = to_device(amounts[which].to(volumes.dtype), volumes.device).view(-1, 1, 1, 1, 1)
    if bool(which.all()):
        change(volumes, amounts)
        return
    where = to_device(torch.nonzero(which).flatten(), volumes.device)
    volumes[where] = change(volumes[where], amounts)
