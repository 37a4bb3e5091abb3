"""Rows of length 1 in full precision: what every cosine in this room starts from.

Two things go wrong with `x / |x|` in a mixed-precision run. bfloat16 keeps 8 bits, so cosines computed in it
are off by 1e-2; and squares of large entries overflow. Here half-precision input is raised to float32
(float64 stays, so that gradients can be checked), and a row is first divided by its largest entry. Cosines do
not depend on a row's length, so that number counts as a constant for the gradient, which stays exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-30
"""Rows whose largest entry is below this count as zero and stay zero: their cosine with anything is 0."""


def unit_rows(rows: Tensor) -> Tensor:
    """Return the rows of `rows` (..., C) scaled to length 1, in float32, or float64 if they came so.

    To be called with autocast off (see `full_precision`).
    """
    if rows.dtype in (torch.float16, torch.bfloat16):
        rows = rows.float()
    largest = rows.detach().abs().amax(dim=-1, keepdim=True)
    none = largest < SMALLEST
    unit = torch.nn.functional.normalize(rows / torch.where(none, 1.0, largest), dim=-1)
    return torch.where(none, 0.0, unit)  # a row without direction gets no gradient: 1 / length would blow it up


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context in which autocast is off on the tensor's device, so that products keep float32."""
    return torch.autocast(device_type=tensor.device.type, enabled=False)
