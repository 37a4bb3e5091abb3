"""How alike the two views of an image are, and how alike different images, while a contrastive loss trains."""

from __future__ import annotations

from torch import Tensor


def mean_cosines(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cosine between the views of an image, and between different images.

    Args:
        z: (2B, C) embeddings of length 1; 2i and 2i + 1 are the views of one image, B two or more.
    """
    first, second = z[0::2], z[1::2]
    positive = (first * second).sum(dim=1)
    # all ordered pairs of views together are |sum of z|^2; each view with itself and with its other view goes off
    others = z.sum(dim=0).square().sum() - len(z) - 2 * positive.sum()
    return positive.mean(), others / (len(z) * (len(z) - 2))
