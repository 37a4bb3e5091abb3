"""Whether this torch computes bfloat16 gradients of 3D convolutions right on this CPU.

Some builds do not: torch 2.13 on a CPU with AVX512-BF16 was seen to give weight gradients of 1e28 and more for inputs
two slices deep, from memory that was never written, so that runs broke at random steps. A look takes milliseconds.
"""

from __future__ import annotations

from functools import cache

import torch
from torch.nn.functional import conv3d

CHANNELS = 32
SHAPES = ((2, 3, 3), (2, 1, 1), (3, 6, 6))
"""(z, y, x) of the inputs that are tried; the first two are those that were seen to go wrong."""

TOLERANCE = 0.1
"""Of the largest gradient; right ones differ from fp32 by less than 0.01."""


@cache
def cpu_bf16_gradients_are_right() -> bool:
    """Compare weight gradients in bf16 and fp32 over a few small convolutions; the random state is not touched."""
    generator = torch.Generator().manual_seed(0)
    return all(_agrees(shape, generator) for shape in SHAPES)


def _agrees(shape: tuple[int, int, int], generator: torch.Generator) -> bool:
    volumes = torch.randn(4, CHANNELS, *shape, generator=generator)
    weight = torch.randn(CHANNELS, CHANNELS, 3, 3, 3, generator=generator) * 0.05
    exact = _weight_gradient(volumes, weight, torch.float32)
    # memory that was just in use holds numbers, where fresh memory is zero and would hide the fault
    torch.full((4_000_000,), 1e30)
    rough = _weight_gradient(volumes, weight, torch.bfloat16)
    return bool((rough - exact).abs().max() < TOLERANCE * exact.abs().max())


def _weight_gradient(volumes: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    with torch.enable_grad():
        copy = weight.detach().to(dtype, copy=True).requires_grad_()
        conv3d(volumes.to(dtype), copy, padding=1).float().square().sum().backward()  # type: ignore[no-untyped-call]
    assert copy.grad is not None
    return copy.grad.float()
