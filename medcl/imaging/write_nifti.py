"""Label maps and values as NIfTI files that lie voxel on voxel on the image file that they belong to."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from isal import igzip

from medcl.imaging.geometry import Affine, Triple
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.study.files import write_whole

_NIBABEL: Any = nibabel  # its functions carry no types, nor do those of igzip
_IGZIP: Any = igzip
_HEADERS = {
    348: (_NIBABEL.Nifti1Header, _NIBABEL.Nifti1Image),
    540: (_NIBABEL.Nifti2Header, _NIBABEL.Nifti2Image),
}
_GZIP = b"\x1f\x8b"
_MM_PER_UNIT = {"meter": 1000.0, "micron": 0.001}
_COMPRESSION_LEVEL = 2  # as of `nifti.write_nifti`
_GEOMETRY = (
    *("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d"),
    *("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)
"""The fields of a header that say where voxels lie. Nothing else of it is taken over: names may stand in the rest."""


@dataclass(frozen=True, eq=False)
class NiftiGrid:
    """Where the voxels of a NIfTI file lie, in the file's own order.

    Attributes:
        shape: (z, y, x); axes that the file lacks have length 1.
        affine: from (x, y, z) voxel index of the file to RAS mm.
        header: the file's.
    """

    shape: Triple
    affine: Affine
    header: Any

    @classmethod
    def read(cls, path: Path) -> NiftiGrid:
        """The grid of a file whose content was read and found good (`nifti.read_nifti`).

        Raises:
            BadInput: it cannot be read.
        """
        header = _read_header(Path(path))
        x, y, z = (*(int(n) for n in header.get_data_shape()), 1, 1)[:3]
        affine = np.array(header.get_best_affine(), np.float64)
        affine[:3] *= _MM_PER_UNIT.get(header.get_xyzt_units()[0], 1.0)
        return cls((z, y, x), affine, header)


def write_labels(path: Path, labels: Volume, grid: NiftiGrid) -> None:
    """Write a label map as .nii or .nii.gz (by the name), whole or not at all.

    Args:
        path: where to.
        labels: (Z, Y, X) uint8 or uint16 on `grid`.
        grid: of the image's file: shape, qform, sform, their codes and units become those of the mask.
    """
    if labels.shape != grid.shape or labels.voxels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"labels are {labels.voxels.dtype} {labels.shape}, the grid is {grid.shape}")
    _write(path, labels, grid, "medcl segmentation")


def write_values(path: Path, values: Volume, grid: NiftiGrid, note: str) -> None:
    """Write intensities as `write_labels` writes labels.

    Args:
        path: where to.
        values: (Z, Y, X) float32 on `grid`.
        grid: of the image's file.
        note: up to 80 characters for the header's description.
    """
    if values.shape != grid.shape or values.voxels.dtype != np.float32:
        raise ValueError(f"values are {values.voxels.dtype} {values.shape}, the grid is {grid.shape}")
    _write(path, values, grid, note)


def _write(path: Path, volume: Volume, grid: NiftiGrid, note: str) -> None:
    kind = _HEADERS[int(grid.header["sizeof_hdr"])][1]
    header = kind.header_class()
    header.set_data_dtype(volume.voxels.dtype)
    header.set_data_shape(grid.header.get_data_shape())
    for name in _GEOMETRY:
        header[name] = grid.header[name]
    header["descrip"] = note
    voxels = volume.voxels.transpose(2, 1, 0).reshape(grid.header.get_data_shape())
    content: bytes = kind(voxels, None, header).to_bytes()
    if str(path).endswith(".gz"):
        content = _IGZIP.compress(content, _COMPRESSION_LEVEL, mtime=0)  # equal voxels make equal files
    with write_whole(Path(path)) as temporary:
        temporary.write_bytes(content)


def _read_header(path: Path) -> Any:
    largest = max(_HEADERS)
    try:
        with path.open("rb") as file:
            start = file.read(largest)
        if start.startswith(_GZIP):
            with _IGZIP.open(path) as unpacked:
                start = unpacked.read(largest)
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: cannot be read ({error}).") from error
    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")} & set(_HEADERS)
    if not sizes:
        raise BadInput(f"{path}: is no NIfTI file, expected .nii or .nii.gz.")
    return _HEADERS[sizes.pop()][0].from_fileobj(io.BytesIO(start))
