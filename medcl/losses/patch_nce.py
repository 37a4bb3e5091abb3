"""Contrast of patches within an image, PatchNCE (Park et al., ECCV 2020; Zeng et al., 2023, equations 5 to 11).

For position s of a translated image, with query q_s there and keys k of the same positions of the source image:

    loss_s = -log exp(q_s . k_s / T) / sum over positions r of exp(q_s . k_r / T)

so the same position is the positive and the other positions of the same image are the negatives; other images are
never. The keys are what the queries shall become and get no gradient. When all embeddings are equal the loss of P
positions is ln P, which is 5.545177 for 256.

The paper's equations sum over positions; the public code, and this file by default, take their mean.

Organ-aware negatives are ours: two patches of one liver look alike and should, so they are not pushed apart where the
source's labels are known. Background is no organ, and its patches stay each other's negatives.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.losses.unit import full_precision, unit_rows

TEMPERATURE = 0.07
BACKGROUND = 0
"""The label of what is no organ."""


def patch_nce(
    queries: Tensor,
    keys: Tensor,
    temperature: float = TEMPERATURE,
    organs: Tensor | None = None,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Return the loss of each image, (B,), in float32 or better.

    Args:
        queries: embeddings of the translated images' patches, (B, P, C); their length does not matter.
        keys: of the source images' patches at the same positions, (B, P, C).
        temperature: T, above 0.
        organs: (B, P) labels at the positions, 0 where no organ is, `UNLABELLED` where none is known; positions of one
            organ are no negatives of each other. None: all positions are.
        reduction: over positions; "sum" is as the paper prints it.

    Raises:
        ValueError: queries and keys differ in shape.
    """
    if queries.shape != keys.shape:
        raise ValueError(f"queries {tuple(queries.shape)} and keys {tuple(keys.shape)} differ in shape.")
    images, positions, _ = queries.shape
    with full_precision(queries):
        logits = unit_rows(queries) @ unit_rows(keys.detach()).transpose(1, 2) / temperature  # (B, query, key)
        if organs is not None:
            logits = logits.masked_fill(_same_organ(organs.to(logits.device)), -torch.inf)
        itself = torch.arange(positions, device=logits.device).repeat(images)
        losses = cross_entropy(logits.flatten(0, 1), itself, reduction="none").reshape(images, positions)
        return losses.mean(dim=1) if reduction == "mean" else losses.sum(dim=1)


def _same_organ(organs: Tensor) -> Tensor:
    """Whether two different positions of an image lie in one organ, (B, P, P)."""
    inside = (organs != BACKGROUND) & (organs != UNLABELLED)
    same = (organs[:, :, None] == organs[:, None]) & inside[:, None]
    return same & ~torch.eye(organs.shape[1], dtype=torch.bool, device=organs.device)
