"""What stands in a NIfTI file, checked: voxels as float32 in canonical RAS+, and their affine.

What cannot be trusted is refused here, before it can become a wrong picture further on. The format:
nifti.nimh.nih.gov/nifti-1; headers and orientations are nibabel's.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medcl.imaging.canonical import canonical
from medcl.imaging.geometry import fault_of_affine
from medcl.imaging.gunzip import DamagedGzip, gunzip
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

SUFFIXES = (".nii", ".nii.gz")

_GZIP = b"\x1f\x8b"
_NIBABEL: Any = nibabel  # its functions carry no types
_HEADERS = {348: _NIBABEL.Nifti1Header, 540: _NIBABEL.Nifti2Header}
_PAIR_MAGIC = (b"ni1", b"ni2")
_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
_EXACT_IN_FLOAT32_BYTES = 2

logging.getLogger("nibabel.global").setLevel(logging.ERROR)  # header repairs that do not touch what is read here


def decode(content: bytes, path: Path) -> Volume:
    """Voxels of a NIfTI file's bytes as float32 in canonical RAS+, which may be constant (an empty mask).

    Raises:
        BadInput: as `read_nifti`, except for constant images.
    """
    plain = _unpacked(content, path)
    header = _header(plain, path)
    raw = _raw_voxels(plain, header, path)
    affine = _affine(header, path)
    turned = canonical(raw.transpose(2, 1, 0), affine)
    voxels = _as_float32(turned.voxels, header)
    _refuse_not_finite(voxels, path)
    return Volume(voxels, turned.affine)


def _unpacked(content: bytes, path: Path) -> bytes:
    if not content:
        raise BadInput(f"{path}: is empty (0 bytes): copy it again from its source.")
    if not content.startswith(_GZIP):
        return content
    try:
        return gunzip(content)  # checks the checksum too, which a partial read would not
    except EOFError:
        raise BadInput(f"{path}: is truncated, its compressed data end early: copy it again from its source.") from None
    except DamagedGzip as error:
        raise BadInput(f"{path}: is damaged ({error}): copy it again from its source.") from None


def _header(content: bytes, path: Path) -> Any:
    sizes = {int.from_bytes(content[:4], order) for order in ("little", "big")} & set(_HEADERS)
    if not sizes:
        if path.name.endswith(SUFFIXES):
            raise BadInput(
                f"{path}: is no NIfTI file though it is named so, its content is another: copy it again from its "
                "source, or convert it."
            )
        raise BadInput(f"{path}: is no NIfTI file, expected .nii or .nii.gz: convert it, or give another file.")
    size = sizes.pop()
    if len(content) < size:
        raise BadInput(f"{path}: is truncated inside its header ({len(content)} of {size} bytes): copy it again.")
    try:
        header = _HEADERS[size].from_fileobj(io.BytesIO(content))
        header.get_slope_inter()
    except Exception as error:  # nibabel's own, and struct and value errors of garbage
        raise BadInput(f"{path}: its NIfTI header is damaged ({error}): copy it again from its source.") from None
    magic = bytes(header["magic"])
    if magic[:3] in _PAIR_MAGIC or not magic.startswith((b"n+1", b"n+2")):
        what = (
            "the header of a .hdr/.img pair"
            if magic[:3] in _PAIR_MAGIC
            else "an Analyze file, which has no orientation"
        )
        raise BadInput(f"{path}: is {what}: save the image as one .nii or .nii.gz file.")
    return header


def _raw_voxels(content: bytes, header: Any, path: Path) -> NDArray[Any]:
    """The stored numbers as an (x, y, z) view of the bytes."""
    try:
        dtype = header.get_data_dtype()
    except Exception as error:
        raise BadInput(f"{path}: voxels of an unknown type ({error}): save it as float32 or int16.") from None
    if dtype.kind not in "iuf":
        what = "RGB colours" if dtype.names else f"{dtype} numbers"
        raise BadInput(f"{path}: voxels are {what}, expected one plain number each: save it as float32 or int16.")
    shape = _spatial_shape(tuple(int(n) for n in header.get_data_shape()), path)
    count = int(np.prod(shape, dtype=object))
    start = int(header.get_data_offset())
    needed = start + count * dtype.itemsize
    if len(content) < needed:
        raise BadInput(
            f"{path}: is truncated, it holds {len(content):,} of the {needed:,} bytes that its header promises: "
            "copy it again from its source."
        )
    return np.frombuffer(content, dtype, count, start).reshape(shape, order="F")


def _spatial_shape(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """(x, y, z): trailing axes of length 1 are dropped, a single slice has z = 1."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if not shape or min(shape) < 1:
        raise BadInput(f"{path}: its header tells a shape of {shape}, which holds no voxel: copy it again.")
    if len(shape) > 3:
        volumes = int(np.prod(shape[3:], dtype=object))
        raise BadInput(
            f"{path}: is {len(shape)}D with {volumes} volumes ({'x'.join(map(str, shape))}), expected one 3D volume: "
            "write each volume to its own file and give each a row."
        )
    x, y, z = (*shape, 1, 1)[:3]
    return x, y, z


def _affine(header: Any, path: Path) -> NDArray[np.float64]:
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        raise BadInput(
            f"{path}: its header has neither sform nor qform, so where and which way round the patient lies is "
            "unknown: convert it again from the source, or set the sform."
        )
    try:
        affine = np.array(header.get_best_affine(), dtype=np.float64)
    except Exception as error:
        raise BadInput(f"{path}: its qform cannot be read ({error}): convert it again from the source.") from None
    unit = header.get_xyzt_units()[0]
    affine[:3] *= _MM_PER_UNIT.get(unit, 1.0)
    fault = fault_of_affine(affine)
    if fault:
        raise BadInput(f"{path}: {fault}: convert it again from the source.")
    return affine


def _as_float32(raw: NDArray[Any], header: Any) -> NDArray[np.float32]:
    """One copy: contiguous, scaled; wide numbers are scaled in float64 before they are rounded."""
    slope, intercept = header.get_slope_inter()
    scaled = slope is not None and (slope, intercept) != (1.0, 0.0)
    narrow = raw.dtype.itemsize <= _EXACT_IN_FLOAT32_BYTES or raw.dtype == np.float32
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is counted and refused by the caller
        if not scaled or narrow:
            voxels = np.array(raw, dtype=np.float32, order="C")
            if scaled:
                voxels *= np.float32(slope)
                voxels += np.float32(intercept)
            return voxels
        wide = raw.astype(np.float64, order="C")
        wide *= slope
        wide += intercept
        return wide.astype(np.float32)


def _refuse_not_finite(voxels: NDArray[np.float32], path: Path) -> None:
    if np.isfinite(voxels.min()) and np.isfinite(voxels.max()):  # both pass on NaN
        return
    missing, infinite = int(np.isnan(voxels).sum()), int(np.isinf(voxels).sum())
    raise BadInput(
        f"{path}: {missing:,} voxels are NaN and {infinite:,} infinite, of {voxels.size:,}: "
        "replace them, by the background's value for one."
    )
