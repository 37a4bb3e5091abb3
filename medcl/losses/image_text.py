"""Symmetric contrastive loss of images and texts (Radford et al., CLIP, ICML 2021, figure 3; Milecki et al., 2023).

With S the scaled cosines of B images (rows) and their B texts (columns), T the targets, the loss of pair i is

    loss_i = -(1/2) (sum over j of T_ij log softmax_j(S_ij) + sum over j of T_ij log softmax_j(S_ji))

so an image seeks its text among all texts, and a text its image among all images. When all cosines are equal the loss
is ln B, whatever the targets. With identity targets, the papers', T_ij is 1 where i = j.

Ours: prompts made from a table are few, and two images whose prompts say the same are not each other's negatives. Then
T_ij = 1/n for the n pairs j that say what i says. The least possible loss is then the mean of ln n.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from medcl.losses.unit import full_precision, unit_rows


def image_text(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor | None = None) -> Tensor:
    """Return the loss of each pair, (B,), in float32 or better.

    Args:
        images: embeddings, (B, C); their length does not matter.
        texts: embeddings of the images' texts, (B, C), in the same order.
        scale: multiplies the cosines; a scalar above 0 (see `LogitScale`).
        same: (B, B) bool, symmetric: whether two pairs' texts say the same. The diagonal is never read: a pair says
            what it says. None: no two do.

    Raises:
        ValueError: the shapes do not belong together.
    """
    pairs = len(images)
    if images.shape != texts.shape or (same is not None and same.shape != (pairs, pairs)):
        others = "" if same is None else f", same {tuple(same.shape)}"
        raise ValueError(f"images {tuple(images.shape)} and texts {tuple(texts.shape)}{others} do not belong together.")
    with full_precision(images):
        rows, columns = unit_rows(images), unit_rows(texts)
        logits = scale.to(rows.dtype) * (rows @ columns.T)
        itself = torch.eye(pairs, dtype=torch.bool, device=logits.device)
        answers = (itself if same is None else itself | same.to(logits.device)).to(logits.dtype)
        targets = answers / answers.sum(dim=1, keepdim=True)
        to_text = cross_entropy(logits, targets, reduction="none")
        to_image = cross_entropy(logits.T, targets, reduction="none")
        return (to_text + to_image) / 2
