"""Principal components of pixels, found on training rows: features that no network has made."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

COMPONENTS = 64


def pixel_components(
    pixels: npt.NDArray[Any], training: npt.NDArray[np.int64], *, components: int = COMPONENTS, seed: int = 0
) -> npt.NDArray[Any]:
    """(N, C) coordinates of all rows; C is `components`, or as many as there are training rows or pixels.

    Args:
        pixels: (N, P) images as rows.
        training: places of the rows on which the components are found.
        components: C at most.
        seed: of the solver, where it draws.
    """
    from sklearn.decomposition import PCA

    count = min(components, len(training), pixels.shape[1])
    found: npt.NDArray[Any] = PCA(count, random_state=seed).fit(pixels[training]).transform(pixels)
    return found
