"""Cross-entropy and Dice loss of each image of a batch in which some images are not labelled.

    loss = (1 - share) * cross-entropy + share * Dice loss

Cross-entropy is torch's, the mean over an image's labelled voxels. The Dice loss is MONAI's, with squared denominators
(Milletari et al., V-Net, 3DV 2016), the mean over the classes that the image has, background among them: a class that
a slice does not show has no overlap to speak of, and its false positives cost the others. The paper (IDEAL, Basak et
al., ICASSP 2023) has cross-entropy alone, share 0; halves of both are ours.

Losses are of single images, so that a mean over all ranks' images is well defined: gather the values, and divide by
the number that is labelled.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from medcl.losses.unit import full_precision

UNLABELLED = 255
"""The class index of voxels that nothing is known about."""

DICE_SHARE = 0.5
SMOOTH = 1e-5


class Supervised(NamedTuple):
    """Of each image; only `loss` carries a gradient.

    Attributes:
        loss: (B,), 0 where the image is not labelled.
        labelled: (B,) bool, whether any voxel of the image is.
        cross_entropy: (B,).
        dice: (B,), the Dice loss.
    """

    loss: Tensor
    labelled: Tensor
    cross_entropy: Tensor
    dice: Tensor

    def mean(self) -> Tensor:
        """Return the mean loss over the labelled images; 0 when there are none."""
        return self.loss.sum() / self.labelled.sum().clamp_min(1)


def cross_entropy_dice(logits: Tensor, labels: Tensor, dice_share: float = DICE_SHARE) -> Supervised:
    """Return the loss of each image, in float32 or better whatever the input's precision.

    Args:
        logits: (B, K, D, H, W).
        labels: (B, 1, D, H, W) class indices, `UNLABELLED` where there is none.
        dice_share: of the Dice loss, in [0, 1]; cross-entropy gets the rest.
    """
    with full_precision(logits):
        logits = logits if logits.dtype == torch.float64 else logits.float()
        labels = labels[:, 0].to(logits.device, torch.int64)
        known = labels != UNLABELLED
        voxels = known.flatten(1).sum(dim=1)
        each = cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="none").flatten(1).sum(dim=1)
        entropy = each / voxels.clamp_min(1)
        dice = _dice(logits, torch.where(known, labels, 0), known)
        loss = (1 - dice_share) * entropy + dice_share * dice
        return Supervised(loss, voxels > 0, entropy.detach(), dice.detach())


def _dice(logits: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """The Dice loss of each image over its known voxels and the classes that it has; 0 where nothing is known."""
    from monai.losses.dice import DiceLoss  # here: importing MONAI takes seconds

    seen = known[:, None]
    truth = one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype) * seen
    # masked before, as MONAI's own masked Dice loss would mask the logits
    by_class = DiceLoss(reduction="none", squared_pred=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH)
    losses = by_class(logits.softmax(dim=1) * seen, truth).flatten(1)
    there = truth.flatten(2).sum(dim=2) > 0
    return torch.where(there, losses, 0.0).sum(dim=1) / there.sum(dim=1).clamp_min(1)
