"""Segmentation loss of contrastive translation: weighted cross-entropy and Dice (Zeng et al., 2023, equations 12-14).

    loss = mean over pixels of w_c * CE + Dice loss,    w_c = 1 - N_c / N, c the pixel's class

N_c of an image's N labelled pixels are of class c, so that a common class counts less. The weights are each image's
own, and the mean is over pixels: torch's `weight=` divides by the weights' sum, which takes off again what they did to
images as a whole. A slice of background alone has weight 0 and costs no cross-entropy.

The Dice loss is MONAI's with squared denominators, the mean over all classes, background and those that the image
does not show among them. Equation 14 as printed lacks the 2 and the division by the classes, and would be
1 - K / 2 for a perfect prediction of K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from medcl.losses.cross_entropy_dice import SMOOTH, UNLABELLED, Supervised
from medcl.losses.unit import full_precision


def weighted_cross_entropy(logits: Tensor, labels: Tensor) -> Supervised:
    """Return the loss of each image, in float32 or better whatever the input's precision.

    The `cross_entropy` of the result is the weighted one.

    Args:
        logits: (B, K, D, H, W).
        labels: (B, 1, D, H, W) class indices, `UNLABELLED` where there is none.
    """
    with full_precision(logits):
        logits = logits if logits.dtype == torch.float64 else logits.float()
        labels = labels[:, 0].to(logits.device, torch.int64)
        known = labels != UNLABELLED
        truth = one_hot(torch.where(known, labels, 0), logits.shape[1]).movedim(-1, 1).to(logits.dtype) * known[:, None]
        voxels = known.flatten(1).sum(dim=1)
        entropy = _entropy(logits, labels, truth) / voxels.clamp_min(1)
        dice = _dice(logits, truth, known)
        return Supervised(entropy + dice, voxels > 0, entropy.detach(), dice.detach())


def _entropy(logits: Tensor, labels: Tensor, truth: Tensor) -> Tensor:
    """The sum over each image's pixels of the weighted cross-entropy."""
    counts = truth.flatten(2).sum(dim=2)
    weights = 1 - counts / counts.sum(dim=1, keepdim=True).clamp_min(1)
    of_pixels = (truth * weights[:, :, None, None, None]).sum(dim=1)
    each = cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="none")
    return (each * of_pixels).flatten(1).sum(dim=1)


def _dice(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """The Dice loss of each image over its known pixels and all classes; 0 where nothing is known."""
    from monai.losses.dice import DiceLoss  # here: importing MONAI takes seconds

    # masked before, as MONAI's own masked Dice loss would mask the logits
    by_class = DiceLoss(reduction="none", squared_pred=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH)
    losses: Tensor = by_class(logits.softmax(dim=1) * known[:, None], truth)
    return losses.flatten(1).mean(dim=1)
