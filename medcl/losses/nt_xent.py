"""Normalised temperature-scaled cross entropy, NT-Xent (Chen et al., SimCLR, ICML 2020, equation 1).

For an image with views i and j in a batch of B images (2B views):

    loss_i = -log exp(cos(i, j) / T) / sum over k != i of exp(cos(i, k) / T)

so the other view is the positive and the 2(B - 1) views of other images are the negatives. The loss when all
embeddings are equal is ln(2B - 1).

Decoupled, the positive is left out of the sum (Yeh et al., ECCV 2022; equation 1 as Ferrante et al., 2023, print it),
which leaves 2(B - 1) terms: ln(2B - 2) when all embeddings are equal, and less than 0 for well separated ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses.unit import full_precision, unit_rows

BASELINE_TEMPERATURE = 0.5
"""Temperature of the SimCLR baseline of Milecki et al., MIDL 2022."""


def nt_xent(z1: Tensor, z2: Tensor, temperature: float = BASELINE_TEMPERATURE, decoupled: bool = False) -> Tensor:
    """Return the loss of each view, (2B,): first those of `z1`, then those of `z2`; float32 or better.

    Args:
        z1: embeddings of the images' first views, (B, C); their length does not matter.
        z2: embeddings of the second views, (B, C), in the same order.
        temperature: divides the cosines; above 0.
        decoupled: whether the sum holds the negatives only.

    Raises:
        ValueError: decoupled, and there is one image, which has no negatives.
    """
    images = len(z1)
    if decoupled and images < 2:
        raise ValueError("the decoupled loss of one image has no negatives; it needs two or more.")
    with full_precision(z1):
        views = unit_rows(torch.cat([z1, z2]))
        logits = (views @ views.T) / temperature
        itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
        logits = logits.masked_fill(itself, -torch.inf)
        other_view = torch.arange(len(views), device=views.device).roll(images)
        if not decoupled:
            return cross_entropy(logits, other_view, reduction="none")
        positive = logits.gather(1, other_view[:, None])[:, 0]
        return logits.masked_fill(itself.roll(images, dims=1), -torch.inf).logsumexp(dim=1) - positive
