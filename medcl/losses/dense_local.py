"""Local contrastive loss of IDEAL (Basak et al., ICASSP 2023; after DenseCL, Wang et al., CVPR 2021).

For a cell i of one view with embedding q_i, the corresponding cell k_i+ of the other view, and cells k- of other
images:

    L_loc = -1/(Dh Dw) sum_i log exp(q_i.k_i+ / T) / (exp(q_i.k_i+ / T) + sum exp(q_i.k- / T))

The mean goes over the cells that have a positive: where views overlap in part, the others have none. An image without
any costs 0. With N- negatives a cell, equal embeddings give log(1 + N-).
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from medcl.losses.unit import full_precision, unit_rows

TEMPERATURE = 0.1
"""Ours, as the paper gives none; DenseCL has 0.2."""

LOGITS_AT_ONCE = 1 << 25
"""Of more than so many cosines, those of a part of the images are in memory at a time, and computed again for their
gradient."""


class DenseLocal(NamedTuple):
    """The loss of each image and what it was made of; only `loss` carries a gradient.

    Attributes:
        loss: (B,), mean over the image's cells that have a positive; 0 without such.
        matched: (B,), how many cells those are.
        positive_cosine: (B,), mean over them; 0 without such.
        negative_cosine: (B,), mean over their negatives; 0 without such.
        negatives: (B,), how many negatives a cell of the image has.
    """

    loss: Tensor
    matched: Tensor
    positive_cosine: Tensor
    negative_cosine: Tensor
    negatives: Tensor

    def mean(self) -> Tensor:
        """Return the mean loss over the images that have a positive; 0 when none has."""
        return self.loss.sum() / (self.matched > 0).sum().clamp_min(1)


def dense_local(
    queries: Tensor,
    keys: Tensor,
    positives: Tensor,
    matched: Tensor,
    negatives: Tensor,
    temperature: float = TEMPERATURE,
) -> DenseLocal:
    """Return the loss of each image, in float32 or better whatever the input's precision.

    Args:
        queries: (B, n, C) embeddings of the cells of one view; their length does not matter.
        keys: (B, m, C) of the other view; no gradient is stopped here.
        positives: (B, n), which of its image's m keys corresponds to each cell; anything where `matched` is False.
        matched: (B, n), whether a cell has a positive.
        negatives: (B, B), whether the cells of image b are negatives of those of image a; the diagonal is never read.
        temperature: divides the cosines; above 0.
    """
    with full_precision(queries):
        q, k = unit_rows(queries), unit_rows(keys)
        others = negatives.to(q.device) & ~torch.eye(len(q), dtype=torch.bool, device=q.device)
        given = positives.to(q.device), matched.to(q.device)
        images, cells = q.shape[:2]
        at_once = max(1, LOGITS_AT_ONCE // (cells * images * k.shape[1]))
        if at_once >= images:
            return _of_part(0, q, k, *given, others, temperature)
        firsts = range(0, images, at_once)
        parts = [
            cast(
                DenseLocal,
                checkpoint(
                    _of_part,
                    first,
                    q[first : first + at_once],
                    k,
                    *(each[first : first + at_once] for each in (*given, others)),
                    temperature,
                    use_reentrant=False,
                ),
            )
            for first in firsts
        ]
        return DenseLocal(*(torch.cat(of_parts) for of_parts in zip(*parts, strict=True)))


def _of_part(
    first: int, q: Tensor, k: Tensor, positives: Tensor, matched: Tensor, others: Tensor, temperature: float
) -> DenseLocal:
    """The loss of the images `first`, `first` + 1, ..., whose cells are `q`, against all keys; all of length 1."""
    own = k[first : first + len(q)]
    partner = own.gather(1, torch.where(matched, positives, 0)[..., None].expand(-1, -1, k.shape[2]))
    attract = (q * partner).sum(dim=2)
    cosine = torch.einsum("anc,bmc->anbm", q, k)  # cells n of image a against cells m of image b
    repel = (cosine / temperature).masked_fill(~others[:, None, :, None], -torch.inf)
    logits = torch.cat([attract[..., None] / temperature, repel.flatten(2)], dim=2)
    loss = torch.where(matched, torch.logsumexp(logits, dim=2) - logits[..., 0], 0.0)
    counted = matched.sum(dim=1)
    each = counted.clamp_min(1)
    with torch.no_grad():
        count = others.sum(dim=1) * k.shape[1]
        towards = torch.where(others[:, None, :], cosine.sum(dim=3), 0.0).sum(dim=2) / count.clamp_min(1)[:, None]
        of_negatives = torch.where(matched, towards, 0.0).sum(dim=1) / each
        of_positives = torch.where(matched, attract, 0.0).sum(dim=1) / each
    return DenseLocal(loss.sum(dim=1) / each, counted, of_positives, of_negatives, count)
