"""How far apart two sets of images are by their intensities alone: what stands in for the FID.

The Frechet inception distance needs a network trained on photographs, which is no part of medcl and has seen no CT or
MR; how it relates to their quality is not known. This distance sees contrast and brightness, and nothing of shapes:
two sets of one histogram are at distance 0 whatever they show. It is to be read beside the mutual information.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def intensity_distance(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Wasserstein-1 distance of the intensities of two sets of images, in their own unit.

    Of images in [0, 1] it is 0 for equal histograms and 1 between all black and all white.

    Args:
        first, second: arrays of any shapes, at least one voxel each.

    Raises:
        ValueError: one has no voxel.
    """
    from scipy.stats import wasserstein_distance

    if not (first.size and second.size):
        raise ValueError("the distance of intensities needs at least one voxel on both sides")
    return float(wasserstein_distance(first.ravel(), second.ravel()))
