"""What worker processes of `medcl preprocess --from` do: read headers, order groups, write one volume as NIfTI.

Imported by freshly started processes, so it must stay light. Nothing of a header goes into what is written: the
NIfTI file's description holds a hash of where it came from, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medcl.imaging.dicom.assemble import Assembled, assemble
from medcl.imaging.dicom.build import build_phase
from medcl.imaging.dicom.grouping import Group, Member
from medcl.imaging.dicom.header import Header, LeftOut
from medcl.imaging.dicom.pixels import PixelFault
from medcl.imaging.dicom.read_header import read_header
from medcl.imaging.intensity import is_constant
from medcl.imaging.nifti import read_bytes, write_nifti
from medcl.imaging.nifti_content import decode
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

_NIBABEL: Any = nibabel  # its functions carry no types
_KEY_LENGTH = 32
_VERSION = 1  # part of the key: raise it when the same files would give other volumes


@dataclass(frozen=True)
class Conversion:
    """One volume to write.

    Attributes:
        target: the NIfTI file to write.
        head: of the DICOM phase; None for a NIfTI file that is copied.
        phase: its slices in order.
        nifti: the file to copy without its header's texts.
        labels: whether that is a label map.
    """

    target: Path
    head: Header | None = None
    phase: tuple[Member, ...] = ()
    nifti: Path | None = None
    labels: bool = False


@dataclass(frozen=True)
class Converted:
    """What became of it: size and spacing (z, y, x), a hash of the voxels, or why there is none."""

    kept: bool = False
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    content: str = ""
    problem: str = ""


def read_headers(paths: Sequence[Path]) -> list[Header | LeftOut]:
    """The headers of some files."""
    return [read_header(path) for path in paths]


def assemble_groups(groups: Sequence[Group]) -> list[Assembled]:
    """Some groups in order, or what is wrong with them."""
    return [assemble(group) for group in groups]


def convert(job: Conversion) -> Converted:
    """Write one volume, unless an earlier run wrote it from the same files.

    Raises:
        RunFailed: the disk is full or cannot be written to.
    """
    key = _key(job)
    known = _written(job.target, key)
    if known is not None:
        return known
    try:
        volume = _read(job)
    except PixelFault as fault:
        return Converted(problem=fault.reason)
    except BadInput as error:  # its text names the file, whose name may be a patient's
        return Converted(
            problem=str(error).replace(f"{job.nifti}: ", "").replace(str(job.nifti), "the file").rstrip(".")
        )
    except MemoryError:
        return Converted(problem="memory is too short to hold it; run again with fewer --workers")
    if not job.labels and is_constant(volume.voxels):
        return Converted(problem="the image is constant: nothing can be learned from it")
    content = hashlib.sha256(repr(volume.shape).encode() + volume.voxels.tobytes()).hexdigest()[:_KEY_LENGTH]
    write_nifti(job.target, volume, _type_of(volume.voxels), note=f"medcl {key} {content}")
    return Converted(False, volume.shape, volume.spacing, content)


def _read(job: Conversion) -> Volume:
    if job.head is not None:
        return build_phase(job.head, job.phase)
    assert job.nifti is not None
    return decode(read_bytes(job.nifti), job.nifti)


def _type_of(voxels: NDArray[np.float32]) -> Any:
    """int16 where it holds the very same numbers, else float32."""
    limits = np.iinfo(np.int16)
    if voxels.min() < limits.min or voxels.max() > limits.max:
        return np.float32
    return np.int16 if np.array_equal(voxels, np.rint(voxels)) else np.float32


def _key(job: Conversion) -> str:
    """Hash of what the volume is made of: instances and frames, size and time of the files."""
    parts: list[Any] = [_VERSION, job.labels]
    for path in dict.fromkeys([member.path for member in job.phase] + ([job.nifti] if job.nifti else [])):
        status = path.stat() if path.exists() else None
        parts.append((status.st_size, status.st_mtime_ns) if status else None)
    parts += [(member.instance, member.slice.frame) for member in job.phase]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:_KEY_LENGTH]


def _written(target: Path, key: str) -> Converted | None:
    """What an earlier run wrote with the same key."""
    if not target.exists():
        return None
    try:
        image = _NIBABEL.load(target)
        words = bytes(image.header["descrip"]).rstrip(b"\0").decode("ascii").split()
    except Exception:  # not ours, or damaged: it is written again
        return None
    if len(words) != 3 or words[:2] != ["medcl", key]:
        return None
    spacing = tuple(float(mm) for mm in image.header.get_zooms()[::-1])
    return Converted(True, tuple(image.shape[::-1]), spacing, words[2])
