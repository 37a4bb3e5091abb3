"""Whether this torch computes bfloat16 gradients of convolutions right on this CPU, as medcl's networks do them.

Some builds do not: torch 2.13 on a CPU with AVX512-BF16 was seen to give weight gradients of 1e28 and more for small
padded images, from memory that was never written, so that runs broke at random steps. The networks pad such images by
hand (see `networks/padding.py`); whether that is enough on this machine is looked at in some tens of milliseconds.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from medcl.networks.padding import pad_by_hand

CHANNELS = 32
CASES = (
    (3, (2, 3, 3)),
    (3, (2, 1, 1)),
    (3, (3, 6, 6)),
    (3, (6, 8, 8)),
    (7, (4, 9, 12)),
    (7, (16, 16, 16)),
)
"""Kernel and (z, y, x) of the images that are tried; all but the third, the fourth and the last went wrong unpadded."""

TOLERANCE = 0.1
"""Of the largest gradient; right ones differ from fp32 by less than 0.01."""


@cache
def cpu_bf16_gradients_are_right() -> bool:
    """Compare weight gradients in bf16 and fp32 over a few small convolutions; the random state is not touched."""
    generator = torch.Generator().manual_seed(0)
    return all(_agrees(kernel, shape, generator) for kernel, shape in CASES)


def _agrees(kernel: int, shape: tuple[int, int, int], generator: torch.Generator) -> bool:
    volumes = torch.randn(4, 1 if kernel == 7 else CHANNELS, *shape, generator=generator)
    conv = nn.Conv3d(volumes.shape[1], CHANNELS, kernel, padding=kernel // 2, bias=False, device="meta").to_empty(
        device="cpu"  # so made, it draws no weights and leaves the random state
    )
    torch.nn.init.normal_(conv.weight, std=0.05, generator=generator)
    pad_by_hand(conv)
    exact = _weight_gradient(conv, volumes, half=False)
    # memory that was just in use holds numbers, where fresh memory is zero and would hide the fault
    torch.full((4_000_000,), 1e30)
    rough = _weight_gradient(conv, volumes, half=True)
    return bool((rough - exact).abs().max() < TOLERANCE * exact.abs().max())


def _weight_gradient(conv: nn.Module, volumes: torch.Tensor, half: bool) -> torch.Tensor:
    with torch.enable_grad():
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = conv(volumes).float().square().sum()
        (gradient,) = torch.autograd.grad(loss, list(conv.parameters()))
    return gradient.float()
