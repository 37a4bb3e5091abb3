"""Writing simulated images the way scanners' converters do: 16-bit integers, gzip, axes in the order of acquisition."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medcl.study.files import write_whole

_NIBABEL: Any = nibabel  # its functions carry no types


def store_nifti(path: Path, voxels: NDArray[Any], affine: NDArray[Any]) -> None:
    """Write a `.nii.gz` whose bytes depend on nothing but its content.

    Args:
        path: where.
        voxels: integers indexed (i, j, k), stored as they are, without a scale.
        affine: 4x4 from (i, j, k) to RAS+ mm; goes into both the sform and the qform.
    """
    image = _NIBABEL.Nifti1Image(np.ascontiguousarray(voxels), affine, dtype=voxels.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    image.header["descrip"] = b"simulated by medcl"
    # No time and no name in the gzip header: the same study is the same bytes.
    packed = gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)
    with write_whole(path) as temporary:
        temporary.write_bytes(packed)
