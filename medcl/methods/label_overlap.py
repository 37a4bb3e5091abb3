"""Dice of decided labels against the truth, as validation reports it."""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.losses.cross_entropy_dice import UNLABELLED


def label_overlap(decided: Tensor, labels: Tensor, classes: int) -> dict[str, Tensor]:
    """Return "loss" (1 - the mean Dice over classes that are there), "dice_1", ... and "weight".

    A class that neither stands in the truth nor was decided has no Dice (NaN) and is left out of the mean; an image
    without any class, in truth and decision, has loss 0 and weight 0.

    Args:
        decided: (B, 1, D, H, W) class indices of the parts of one image.
        labels: the same of the truth; voxels without a label do not count.
        classes: background included.
    """
    known = labels != UNLABELLED
    dice = []
    for index in range(1, classes):
        is_decided, is_true = (decided == index) & known, (labels == index) & known
        total = is_decided.sum() + is_true.sum()
        dice.append(2 * (is_decided & is_true).sum() / total)  # 0 / 0 is NaN
    each = torch.stack(dice)
    there = ~each.isnan()
    mean = each.nansum() / there.sum().clamp_min(1)
    weight = there.any().to(each.dtype)
    return {"loss": (1 - mean) * weight, "weight": weight} | {f"dice_{place}": d for place, d in enumerate(each, 1)}
