"""NIfTI files in canonical orientation: axes closest to Right, Anterior, Superior, whatever the scanner wrote.

Voxels are only permuted and flipped, never interpolated, so an oblique scan keeps its oblique affine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip

from medcl.imaging.intensity import is_constant
from medcl.imaging.nifti_content import decode
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.study.files import write_whole

_NIBABEL: Any = nibabel  # its functions carry no types, nor do those of igzip
_IGZIP: Any = igzip
_COMPRESSION_LEVEL = 2  # of ISA-L: files as small as those of zlib at 5, in a tenth of the time


def read_nifti(path: Path) -> Volume:
    """Read a 3D image as float32 (Z, Y, X) in canonical RAS+, with the header's scale (scl_slope) applied.

    Raises:
        BadInput: the file is unreadable, truncated, no 3D image of plain numbers, or its affine cannot be used; voxels
            are NaN or infinite; all are equal.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The file as it lies on the disk.

    Raises:
        BadInput: it is missing, a folder or unreadable.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file.") from None
    except IsADirectoryError:
        raise BadInput(
            f"{path}: is a folder, expected a NIfTI file (.nii or .nii.gz): convert the series first."
        ) from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from error


def decode_image(content: bytes, path: Path) -> Volume:
    """As `read_nifti`, from the file's bytes; `path` is for messages."""
    volume = decode(content, path)
    if is_constant(volume.voxels):
        value = volume.voxels[0, 0, 0]
        raise BadInput(f"{path}: the image is constant, every voxel is {value:g}: nothing can be learned from it.")
    return volume


def write_nifti(path: Path, volume: Volume, dtype: Any = np.float32, note: str = "") -> None:
    """Write a volume as .nii or .nii.gz (by the name), whole or not at all, its affine as sform and qform.

    Args:
        path: where to.
        volume: (Z, Y, X) voxels.
        dtype: of the stored voxels; uint8 or uint16 for label maps.
        note: up to 80 characters for the header's description.
    """
    image = _NIBABEL.Nifti1Image(np.asarray(volume.voxels.transpose(2, 1, 0), dtype=dtype), volume.affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = note
    image.set_sform(volume.affine, code="scanner")
    image.set_qform(volume.affine, code="scanner")
    content: bytes = image.to_bytes()
    if str(path).endswith(".gz"):
        content = _IGZIP.compress(content, _COMPRESSION_LEVEL, mtime=0)  # equal volumes make equal files
    with write_whole(Path(path)) as temporary:
        temporary.write_bytes(content)
