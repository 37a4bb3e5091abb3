"""Consistency of two decoders on images without labels (IDEAL, Basak et al., ICASSP 2023; CPS, Chen et al., CVPR 2021).

    loss = CE(p1, y2) + CE(p2, y1),    y = arg-max of the other decoder, no gradient through it

so each decoder learns from the other's decision: CE(p1, y2) changes decoder 1 and the encoder, never decoder 2.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.losses.unit import full_precision


class CrossPseudo(NamedTuple):
    """Of each image; only `loss` carries a gradient.

    Attributes:
        loss: (B,), the sum of both directions.
        agreement: (B,), share of voxels at which the decoders decide alike.
        taken: (B,), share of both decoders' decisions that were confident enough to be learned from.
    """

    loss: Tensor
    agreement: Tensor
    taken: Tensor


def cross_pseudo(first: Tensor, second: Tensor, confidence: float | None = None) -> CrossPseudo:
    """Return the loss of each image, in float32 or better whatever the input's precision.

    Args:
        first: (B, K, D, H, W) logits of one decoder.
        second: of the other.
        confidence: voxels at which the teaching decoder's largest probability is below this cost nothing; the mean
            still goes over all voxels (FixMatch, Sohn et al., NeurIPS 2020). None (paper): all count.
    """
    with full_precision(first):
        p1, p2 = (each if each.dtype == torch.float64 else each.float() for each in (first, second))
        y1, y2 = pseudo_labels(p1, confidence), pseudo_labels(p2, confidence)
        loss = decided_entropy(p1, y2) + decided_entropy(p2, y1)
        alike = (p1.detach().argmax(dim=1) == p2.detach().argmax(dim=1)).to(p1.dtype).flatten(1).mean(dim=1)
        taken = torch.stack([y1, y2]) != UNLABELLED
        return CrossPseudo(loss, alike, taken.to(p1.dtype).flatten(2).mean(dim=(0, 2)))


def pseudo_labels(logits: Tensor, confidence: float | None = None) -> Tensor:
    """Return the decisions as labels (B, 1, D, H, W), `UNLABELLED` where not confident enough; without gradient.

    Args:
        logits: (B, K, D, H, W).
        confidence: least probability of a decision that counts; None: all count.
    """
    logits = logits.detach()
    decided = logits.argmax(dim=1, keepdim=True)
    if confidence is None:
        return decided
    sure = logits.softmax(dim=1).amax(dim=1, keepdim=True) >= confidence
    return torch.where(sure, decided, UNLABELLED)


def decided_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (B,): cross-entropy with decided labels, the mean over all voxels; those without a label cost 0.

    Args:
        logits: (B, K, D, H, W), of any precision; the loss is float32 or better.
        labels: (B, 1, D, H, W) class indices, `UNLABELLED` where nothing was decided.
    """
    with full_precision(logits):
        logits = logits if logits.dtype == torch.float64 else logits.float()
        losses = cross_entropy(logits, labels[:, 0], ignore_index=UNLABELLED, reduction="none")
        return losses.flatten(1).mean(dim=1)
