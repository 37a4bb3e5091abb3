"""Normalised temperature-scaled cross entropy, NT-Xent (Chen et al., SimCLR, ICML 2020, equation 1).

For an image with views i and j in a batch of B images (2B views):

    loss_i = -log exp(cos(i, j) / T) / sum over k != i of exp(cos(i, k) / T)

so the other view is the positive and the 2(B - 1) views of other images are the negatives. The loss when all
embeddings are equal is ln(2B - 1).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses.unit import full_precision, unit_rows

BASELINE_TEMPERATURE = 0.5
"""Temperature of the SimCLR baseline of Milecki et al., MIDL 2022."""


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = BASELINE_TEMPERATURE) -> Tensor:
    """Return the loss of each view, (2B,): first those of `z1`, then those of `z2`; float32 or better.

    Args:
        z1: embeddings of the images' first views, (B, C); their length does not matter.
        z2: embeddings of the second views, (B, C), in the same order.
        temperature: divides the cosines; above 0.
    """
    with full_precision(z1):
        views = unit_rows(torch.cat([z1, z2]))
        images = len(z1)
        logits = (views @ views.T) / temperature
        itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
        logits = logits.masked_fill(itself, -torch.inf)
        other_view = torch.arange(len(views), device=views.device).roll(images)
        return cross_entropy(logits, other_view, reduction="none")
