"""Where a view of an image lies in the stored image: what is drawn, as one affine map.

The views are what two branches of a network see of one image. To tell which voxels of theirs show the same place, each
view keeps its map to the stored image, in torch's coordinates, where the outer borders of the image lie at -1 and 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medcl.data.warp import rotation_and_scale, sampling_matrices

if TYPE_CHECKING:
    from medcl.data.augment import Draws


def unmoved(count: int) -> Tensor:
    """Return the maps (count, 3, 4) of views that show the stored image as it lies."""
    return torch.eye(3, 4, dtype=torch.float64).repeat(count, 1, 1)


def view_matrices(draws: Draws, size: tuple[int, int, int]) -> Tensor:
    """Return (M, 3, 4) float64: the place in the stored image of each point (x, y, z, 1) of the view.

    The image is cut out, mirrored, scaled and rotated, in this order, about the centre of what was cut out.

    Args:
        draws: of M samples.
        size: (z, y, x) of the images in voxels. One slice is turned, scaled and cut within its plane only.
    """
    flat = size[0] == 1
    matrices = unmoved(len(draws))
    matrices[draws.flip, 0, 0] = -1
    affine = torch.nonzero(draws.affine).flatten()
    if len(affine):
        mirror = matrices[affine].diagonal(dim1=1, dim2=2)
        forward = rotation_and_scale(draws.degrees[affine], draws.scales[affine], flat=flat)
        forward = forward @ torch.diag_embed(mirror)  # mirrored first
        matrices[affine, :, :3] = sampling_matrices(forward, draws.spacing[affine], size)
    cut = torch.nonzero(draws.cut).flatten()
    if len(cut):
        sides = draws.sides[cut, None].repeat(1, 3)
        centres = draws.centres[cut].clone()
        if flat:
            sides[:, 2], centres[:, 2] = 1, 0
        matrices[cut, :, :3] *= sides[:, :, None]
        matrices[cut, :, 3] = centres
    return matrices
