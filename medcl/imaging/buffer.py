"""The array that an image is read into: the caller's, used again and again, or a new one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medcl.study.errors import BadInput


def buffer_for(case: str, shape: tuple[int, ...], out: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return `out`, or a new array where it is None.

    Args:
        case: name of the image.
        shape: (z, y, x) of what is read.
        out: C-contiguous float32 array of that shape.

    Raises:
        BadInput: `out` is another kind of array.
    """
    if out is None:
        return np.empty(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise BadInput(
            f"{case} is {shape} (z, y, x); the buffer to fill is {out.dtype} {out.shape}, "
            "expected contiguous float32 of the same shape."
        )
    return out
