"""Self-training on slices without labels: a segmenter learns what its moving average decided (ours).

The average sees a slice as it is, the segmenter the same slice with other intensities, so that it must come to the
same decision by the shapes (mean teacher: Tarvainen and Valpola, NeurIPS 2017; weak and strong views: FixMatch, Sohn et
al., NeurIPS 2020). The loss is that of labelled slices, over the pixels of which the average is sure. Its class weights
are what keeps a segmenter from deciding background everywhere: a slice that is all background costs no cross-entropy.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.augment import Augmentation, apply, draw
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.losses.cross_pseudo import pseudo_labels
from medcl.losses.weighted_cross_entropy import weighted_cross_entropy
from medcl.networks.unet import UNet

PERTURBATION = Augmentation(
    flip_probability=0.0,
    affine_probability=0.0,
    blur_probability=0.0,
    noise_sd=0.05,
    gamma=0.5,
    contrast=0.3,
    brightness=0.1,
)
"""Of intensities alone: what the average decided of a pixel stays true of it."""

FIRST_EPOCH = -2
"""What keys the first step's perturbation; later steps count down, and views of images count up from -1."""


class SelfTaught(NamedTuple):
    """Of each slice; only `loss` carries a gradient.

    Attributes:
        loss: (B,), 0 where the average is sure of no pixel.
        taken: (B,), share of pixels of which it is sure.
    """

    loss: Tensor
    taken: Tensor


def self_taught(student: UNet, teacher: UNet, slices: Tensor, perturbed: Tensor, confidence: float) -> SelfTaught:
    """Return the loss of each slice, in float32 or better.

    Args:
        student: gets the gradient.
        teacher: in evaluation mode; gets none.
        slices: (B, 1, 1, H, W) that the teacher decides.
        perturbed: the same as the student sees them.
        confidence: least probability of a decision that is learned from.
    """
    with torch.no_grad():
        decided = pseudo_labels(teacher(slices)[0].float(), confidence)
    taken = (decided != UNLABELLED).float().flatten(1).mean(dim=1)
    return SelfTaught(supervised_loss(student(perturbed), decided), taken)


def supervised_loss(logits: list[Tensor], labels: Tensor) -> Tensor:
    """Return the segmentation loss of each image (B,), over the levels of deep supervision, each half as much.

    Args:
        logits: (B, K, 1, H, W) of each level, the finest first; weights 1, 1/2, 1/4, ... are divided by their sum.
        labels: (B, 1, 1, H, W) class indices, `UNLABELLED` where there is none.
    """
    weights = [0.5**level for level in range(len(logits))]
    losses = [weight * weighted_cross_entropy(each, labels).loss for weight, each in zip(weights, logits, strict=True)]
    return torch.stack(losses).sum(dim=0) / sum(weights)


def perturb(slices: Tensor, keys: NDArray[np.int64], seed: int, step: int) -> Tensor:
    """Return slices (B, 1, 1, H, W) in [0, 1] with other gamma, contrast, brightness and noise, in [0, 1].

    Args:
        slices: left as they are.
        keys: (B,) one number a slice, different within a step.
        seed: of the run.
        step: of the run, from 0; with the key it settles what happens.
    """
    return apply(slices, draw(seed, FIRST_EPOCH - step, keys, PERTURBATION)).clamp_(0, 1)


def ramp(step: int, steps: int) -> float:
    """Return exp(-5 (1 - t)^2), t the part of `steps` that is done, at most 1 (Laine and Aila, ICLR 2017).

    Args:
        step: done so far.
        steps: until it is 1; 0 for at once.
    """
    t = min(1.0, step / steps) if steps else 1.0
    return math.exp(-5 * (1 - t) ** 2)
