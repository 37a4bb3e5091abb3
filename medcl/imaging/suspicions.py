"""What is odd about an image that can be used: a person should look, before a wrong picture is learned from.

Each suspicion is a sentence with what was found, what was expected and what to do. The bounds are medcl's own and
generous, so that a sentence is seldom wrong; what certainly is wrong is refused where it is read.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medcl.imaging.geometry import same_grid
from medcl.imaging.source import Contents, Source
from medcl.imaging.volume import Volume

FAT_HU = -50.0
"""Every body holds fat (about -100 HU), and mostly air (-1000): a CT without a voxel below this is not in HU."""

HU_BOUNDS = (-10_000.0, 40_000.0)
"""What scanners write, fill values (-3024) and the extended scale of metal (30,710) included."""

LEAST_HU_RANGE = 50.0
"""A CT whose intensities span less was scaled, for instance to -1..1."""

WIDEST_VIEW_MM = 2500.0
NARROWEST_VIEW_MM = 5.0
"""Extents of an image that suggest another unit than mm."""

MOST_LABELS = 300
"""Whole-body label maps name some 100 structures, brain atlases some 200."""

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
_HEADER_BYTES = 540
_NIBABEL: Any = nibabel  # its functions carry no types
_HEADERS = {348: _NIBABEL.Nifti1Header, 540: _NIBABEL.Nifti2Header}


def suspicions(contents: Contents, image: Volume, labels: Volume | None) -> list[str]:
    """Everything odd about one image and its label map.

    Args:
        contents: the files' bytes, for the header as it was written.
        image: canonical RAS+.
        labels: on the image's grid, None without a mask or where that is refused anyway.
    """
    source = contents.source
    found = [f"{source.image}: {sentence}" for sentence in _header(contents)]
    found += [f"{source.image}: {sentence}" for sentence in _extent(image)]
    if source.modality == "ct":
        found += [f"{source.image}: {sentence}" for sentence in _hounsfield(image.voxels)]
    if labels is not None:
        found += [f"{source.mask}: {sentence}" for sentence in _labels(labels.voxels, image.voxels)]
    return found


def without_paths(sentences: Sequence[str], source: Source) -> tuple[str, ...]:
    """Sentences about an image and its mask that name no file; those about the mask begin with that word."""
    of_mask = f"{source.mask}: "
    bare = (text.removeprefix(f"{source.image}: ") for text in sentences)
    return tuple(f"mask: {text.removeprefix(of_mask)}" if text.startswith(of_mask) else text for text in bare)


def stored_header(content: bytes, path: Path) -> Any:
    """The NIfTI header as it was written, of a file that could be read; None of a DICOM folder."""
    if path.is_dir():
        return None
    if content.startswith(_GZIP):
        content = zlib.decompressobj(_GZIP_WINDOW).decompress(content, _HEADER_BYTES)
    little = int.from_bytes(content[:4], "little")
    size = little if little in _HEADERS else int.from_bytes(content[:4], "big")
    return _HEADERS[size].from_fileobj(io.BytesIO(content[:_HEADER_BYTES]))


def voxel_axes(content: bytes, path: Path) -> str:
    """Which way the stored voxels run, "LAS" for one; "" of a DICOM folder."""
    header = stored_header(content, path)
    return "" if header is None else "".join(_NIBABEL.aff2axcodes(header.get_best_affine()))


def _header(contents: Contents) -> list[str]:
    header = stored_header(contents.image, contents.source.image)
    if header is None:
        return []
    affine = header.get_best_affine()
    if (np.abs(affine) == np.eye(4)).all():
        return [
            "its affine is that of no geometry (voxels of 1 mm from 0, 0, 0), which programs write that know none: "
            "convert it again from its source, unless it is so."
        ]
    if not int(header["sform_code"]) or not int(header["qform_code"]):
        return []
    sform, qform = header.get_sform(), header.get_qform()
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0:
        return [
            "its sform and qform are mirror images of each other, so left and right are exchanged in one of them; "
            "medcl goes by the sform: look at it beside its source and correct the other."
        ]
    x, y, z = (max(1, int(n)) for n in (*header.get_data_shape(), 1, 1)[:3])
    same_space = int(header["sform_code"]) == int(header["qform_code"])
    if same_space and not same_grid((z, y, x), sform, (z, y, x), qform, tolerance=0.5):
        return ["its sform and qform put it at different places; medcl goes by the sform: correct the wrong one."]
    return []


def _extent(image: Volume) -> list[str]:
    view = [n * mm for n, mm in zip(image.shape, image.spacing, strict=True)]
    if max(view) <= WIDEST_VIEW_MM and max(view) >= NARROWEST_VIEW_MM:
        return []
    shown = " x ".join(f"{mm:.4g}" for mm in view)
    return [
        f"it is {shown} mm large (z y x), expected {NARROWEST_VIEW_MM:g} to {WIDEST_VIEW_MM:g}: is its voxel size in "
        "another unit than mm? Correct the header."
    ]


def _hounsfield(voxels: NDArray[np.float32]) -> list[str]:
    low, high = float(voxels.min()), float(voxels.max())
    found = f"is a CT whose values run from {low:g} to {high:g}"
    if high - low < LEAST_HU_RANGE:
        return [f"{found}, which were scaled and are no Hounsfield units: take the image before that step."]
    if low > FAT_HU:
        return [
            f"{found}, without fat (-100 HU) or air (-1000 HU): are they stored values without the rescale slope and "
            "intercept? Convert it again, or subtract the offset (often 1024)."
        ]
    if low < HU_BOUNDS[0] or high > HU_BOUNDS[1]:
        return [f"{found}, beyond any Hounsfield unit: replace fill values by -1024, or convert it again."]
    return []


def _labels(labels: NDArray[Any], voxels: NDArray[np.float32]) -> list[str]:
    counts = np.bincount(labels.ravel())
    if np.count_nonzero(counts) > MOST_LABELS:
        same = labels.shape == voxels.shape and bool((labels == voxels).all())
        what = "its voxels are those of the image" if same else "that looks like an image"
        return [f"holds {np.count_nonzero(counts):,} different labels; {what}: correct the column mask."]
    if counts[0] == labels.size:
        return ["is an empty mask (no voxel differs from 0): draw it, or leave the cell empty."]
    if counts[0] == 0:
        return ["labels every voxel, none is background (0): correct it, or number the labels from 1."]
    return []
