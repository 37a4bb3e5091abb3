"""What the networks of translation can take: batches of single slices with one channel, not too small."""

from __future__ import annotations

from collections.abc import Sequence

from medcl.study.errors import BadInput


def check_slices(network: str, shape: Sequence[int], least: int) -> None:
    """Raise BadInput where images cannot pass through a network of single slices.

    Args:
        network: what it is called in the message.
        shape: of the images, (B, C, D, H, W).
        least: pixels that a slice needs along y and along x.

    Raises:
        BadInput: there is more than one channel or slice, or too few pixels; the size shown is (z y x).
    """
    if len(shape) != 5 or shape[1] != 1 or shape[2] != 1:
        raise BadInput(
            f"The {network} takes single slices with one channel, (images, 1, 1, y, x), and got "
            f"{tuple(shape)}. Preprocess to --size 1 Y X, from images with one value a voxel."
        )
    if min(shape[3:]) < least:
        shown = " ".join(str(voxels) for voxels in shape[2:])
        raise BadInput(
            f"--size {shown} (z y x) is too small for the {network}: it needs at least 1 {least} {least}. "
            "Preprocess again with a larger --size or a finer --spacing."
        )
