"""Label maps: whole numbers on the grid of an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medcl.imaging.geometry import describe_grid, same_grid
from medcl.imaging.nifti_content import decode
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

LARGEST_LABEL = 65535


def decode_labels(content: bytes, path: Path, image: Volume | None) -> Volume:
    """Read a label map's bytes as uint8, or uint16 where labels exceed 255, in canonical RAS+.

    Args:
        content: of a NIfTI file.
        path: for messages.
        image: whose labels they are; None where that could not be read and the values alone are looked at.

    Raises:
        BadInput: the file cannot be read, is not on the image's grid, or holds other than whole numbers 0..65535.
    """
    mask = decode(content, path)
    problems = []
    if image is not None and not same_grid(image.shape, image.affine, mask.shape, mask.affine):
        problems.append(
            f"{path}: the mask is on another grid than its image. Image: {describe_grid(image.shape, image.affine)}. "
            f"Mask: {describe_grid(mask.shape, mask.affine)}. Resample the mask to the image with nearest neighbour."
        )
    low, high = float(mask.voxels.min()), float(mask.voxels.max())
    if low < 0 or high > LARGEST_LABEL:
        problems.append(
            f"{path}: labels run from {low:g} to {high:g}, expected whole numbers from 0 to {LARGEST_LABEL}: "
            "number the labels anew, or is it an image?"
        )
        raise BadInput(problems)
    labels = mask.voxels.astype(np.uint8 if high <= 255 else np.uint16)
    broken = np.count_nonzero(labels != mask.voxels)
    if broken:
        problems.append(
            f"{path}: {broken:,} voxels are no whole numbers, expected labels 0, 1, 2, ...: "
            "is it a probability map, or was it resampled with interpolation?"
        )
    if problems:
        raise BadInput(problems)
    return Volume(labels, mask.affine if image is None else image.affine)
