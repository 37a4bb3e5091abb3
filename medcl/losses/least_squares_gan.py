"""The adversarial losses of contrastive translation: least squares (Mao et al., ICCV 2017).

    generator:      (D(made) - 1)^2                      (Zeng et al., 2023, equation 2)
    discriminator:  D(made)^2 + (D(real) - 1)^2          (equation 3; the public code of Park et al. halves it)

Both are means over a slice's patches. A discriminator that says c of everything costs (c - 1)^2 and c^2 + (c - 1)^2:
one that cannot tell settles at c = 1/2, with losses of 0.25 and 0.5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medcl.losses.unit import full_precision

REAL, MADE = 1.0, 0.0


def generator_loss(made: Tensor) -> Tensor:
    """Return the generator's loss of each image, (B,), in float32 or better.

    Args:
        made: scores of translated images, (B, ...).
    """
    return _distance(made, REAL)


def discriminator_loss(made: Tensor, real: Tensor) -> Tensor:
    """Return the discriminator's loss of each pair of a translated and a real image, (B,), in float32 or better.

    Args:
        made: scores of translated images, (B, ...), which came without gradient to the generator.
        real: scores of as many images of the target.

    Raises:
        ValueError: their numbers differ.
    """
    if len(made) != len(real):
        raise ValueError(f"{len(made)} translated and {len(real)} real images cannot be paired.")
    return _distance(made, MADE) + _distance(real, REAL)


def _distance(scores: Tensor, wanted: float) -> Tensor:
    with full_precision(scores):
        scores = scores if scores.dtype == torch.float64 else scores.float()
        return (scores - wanted).square().flatten(1).mean(dim=1)
