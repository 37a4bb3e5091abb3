"""Cosine embedding loss of explicit pairs (Milecki et al., MIDL 2022, equation 1).

    loss = 1 - cos(z1, z2)              for a positive pair, y = 1
    loss = max(0, cos(z1, z2) - margin) for a negative pair, y = 0

The paper's margin is 0; its public code uses 0.5. The arithmetic is torch's `cosine_embedding_loss`.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cosine_embedding_loss

from medcl.losses.unit import full_precision, unit_rows

PAPER_MARGIN = 0.0


def cosine_pairs(first: Tensor, second: Tensor, label: Tensor, margin: float = PAPER_MARGIN) -> Tensor:
    """Return the loss of each pair, (B,), in float32 or better whatever the input's precision.

    Args:
        first: embeddings of the pairs' first images, (B, C); their length does not matter.
        second: embeddings of the second images, (B, C).
        label: (B,), 1 for a positive pair and 0 for a negative one.
        margin: cosine below which a negative pair costs nothing, in [-1, 1).
    """
    with full_precision(first):
        target = label.to(first.device) * 2 - 1  # torch calls a negative pair -1
        return cosine_embedding_loss(unit_rows(first), unit_rows(second), target, margin=margin, reduction="none")
