"""An image in memory: voxels, and where each of them lies in the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.geometry import spacing_of


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image.

    Attributes:
        voxels: (Z, Y, X); float32 for images, unsigned integers for label maps.
        affine: (4, 4) from the voxel index (x, y, z) to RAS+ mm, as in NIfTI. Note that arrays are indexed (z, y, x).
    """

    voxels: NDArray[Any]
    affine: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.voxels.shape
        return z, y, x

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along z, y, x in mm."""
        return spacing_of(self.affine)
