"""Cosine embedding loss over all pairs of a batch (ours, after Milecki et al., MIDL 2022, equation 1).

N volumes that went once through the encoder hold N(N-1)/2 pairs, where explicit pairs would need two passes
for each. Positives are weighted to the share that the paper gives them in its training set (25%):

    loss = share * mean over positives of (1 - cos) + (1 - share) * mean over negatives of max(0, cos -
    margin)

A batch without pairs of one label uses those of the other with their full weight. The caller passes the whole
global batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from medcl.losses.cosine_pairs import PAPER_MARGIN
from medcl.losses.unit import full_precision, unit_rows

PAPER_POSITIVE_SHARE = 0.25


class InBatchPairs(NamedTuple):
    """The loss of a batch and what it was made of; all scalars, only `loss` carries a gradient.

    The mean cosine of a label without pairs is NaN.
    """

    loss: Tensor
    positives: Tensor
    negatives: Tensor
    positive_cosine: Tensor
    negative_cosine: Tensor


def in_batch_pairs(
    z: Tensor, label: Tensor, margin: float = PAPER_MARGIN, positive_share: float = PAPER_POSITIVE_SHARE
) -> InBatchPairs:
    """Return the weighted loss over all pairs i < j whose label is defined, in float32 or better.

    Args:
        z: embeddings, (N, C); their length does not matter.
        label: (N, N), symmetric: 1 positive, 0 negative, -1 not used. The diagonal is never read.
        margin: cosine below which a negative pair costs nothing, in [-1, 1).
        positive_share: weight of the positives' mean, in [0, 1]; the negatives' mean gets the rest.
    """
    with full_precision(z):
        unit = unit_rows(z)
        cosine = unit @ unit.T
        label = label.to(z.device)
        once = torch.ones_like(label, dtype=torch.bool).triu(diagonal=1)
        positive, negative = (label == 1) & once, (label == 0) & once
        positives, negatives = positive.sum(), negative.sum()
        zero = cosine.new_zeros(())
        attract = torch.where(positive, 1 - cosine, zero).sum() / positives.clamp_min(1)
        repel = torch.where(negative, (cosine - margin).clamp_min(0), zero).sum() / negatives.clamp_min(1)
        share = cosine.new_tensor(positive_share)
        # torch.where and not `if`: asking a GPU for the counts would make every step wait for it
        share = torch.where(positives == 0, 0.0, torch.where(negatives == 0, 1.0, share))
        seen = cosine.detach()
        return InBatchPairs(
            loss=share * attract + (1 - share) * repel,
            positives=positives,
            negatives=negatives,
            positive_cosine=torch.where(positive, seen, zero).sum() / positives,
            negative_cosine=torch.where(negative, seen, zero).sum() / negatives,
        )
