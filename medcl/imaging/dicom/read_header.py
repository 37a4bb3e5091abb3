"""Reads the header of one file: half a millisecond, whatever stands in it, and never a word of it in a message."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.config import disable_value_validation
from pydicom.tag import Tag

from medcl.imaging.dicom.diffusion import PRIVATE_TAGS, b_value
from medcl.imaging.dicom.frames import frames
from medcl.imaging.dicom.header import PHASE_KEYS, Header, LeftOut, Slice
from medcl.imaging.dicom.inflate import DEFLATED, inflated_size_is_safe
from medcl.imaging.dicom.kind import LEFT_OUT, component, refused_class
from medcl.imaging.dicom.values import clock, day, number, numbers, texts, timing

# fmt: off
TAGS = [
    "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "AcquisitionTime", "AcquisitionDateTime", "ContentTime",
    "Modality", "Manufacturer", "InstitutionName", "SeriesDescription", "ManufacturerModelName", "PatientID",
    "SpecificCharacterSet", "SliceThickness", "SpacingBetweenSlices", "EchoTime", "TriggerTime",
    "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "AcquisitionNumber", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "TemporalPositionIdentifier",
    "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BurnedInAnnotation",
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence",
    "DiffusionBValue", "RepetitionTime", "InversionTime", "FlipAngle",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]
"""All that is ever parsed of a header, with three makers' private b-values. Of the patient it is the ID alone."""
# fmt: on
_TAGS = [*(Tag(name) for name in TAGS), *PRIVATE_TAGS]
LARGEST_SLICE_VOXELS = 1 << 26
"""A header that declares a larger slice (8192 x 8192) is not believed: no CT or MR scanner makes one."""

MODALITIES = {"CT": "ct", "MR": "mr"}
for _name in ("pydicom", "highdicom", "openjpeg", "libjpeg", "PIL"):  # what they log quotes headers
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
_PREAMBLE = 128
_META_BYTES = 2048
_PIXEL_DATA = bytes.fromhex("e07f1000")
_UNKNOWN_LENGTH = 0xFFFFFFFF
_OTHER_FILES = ((b"PK\x03\x04", "a zip archive: unpack it"), (b"\x1f\x8b", "a gzip file: unpack it"))


def read_header(path: Path) -> Header | LeftOut:
    """What medcl needs of a file's header, or why the file gives no image.

    Pixels are not read, but whether they are all there is looked at. Reasons quote nothing of the header.
    """
    try:
        with path.open("rb") as file, quiet():
            return _read(path, file)
    except OSError as error:
        return LeftOut(path, f"cannot be read ({error.strerror or 'input error'})")
    except Exception:  # whatever garbage makes pydicom raise; its texts quote the header
        return LeftOut(path, "is damaged: its DICOM header cannot be understood")


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings of pydicom, which quote the header, and no checks of values that are never used."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def _read(path: Path, file: BinaryIO) -> Header | LeftOut:
    start = file.read(_META_BYTES)
    if not start:
        return LeftOut(path, "is empty (0 bytes)")
    bare = start[:2] == b"\x08\x00"  # written without the preamble, as before 1996 and by some archives
    if start[_PREAMBLE : _PREAMBLE + 4] != b"DICM" and not bare:
        other = next((what for magic, what in _OTHER_FILES if start.startswith(magic)), "")
        return LeftOut(path, f"is {other or 'no DICOM file'}")
    size = file.seek(0, 2)
    file.seek(0)
    if DEFLATED.encode() in start and not inflated_size_is_safe(path):
        return LeftOut(path, "is a deflated file that swells beyond all measure: it is not opened")
    dataset = pydicom.dcmread(file, stop_before_pixels=True, force=bare, specific_tags=_TAGS)
    reason = _refused(dataset)
    if reason:
        return LeftOut(path, reason)
    torn = _torn(dataset, file, size)
    if torn:
        return LeftOut(path, torn)
    slices = tuple(frames(dataset)) if "PerFrameFunctionalGroupsSequence" in dataset else _single(dataset)
    if isinstance(slices, str):
        return LeftOut(path, slices)
    return _header(path, size, dataset, slices)


def _refused(dataset: Any) -> str | None:
    """Why a file that could be parsed is no image to use."""
    sop_class, modality = str(dataset.get("SOPClassUID", "")), str(dataset.get("Modality", ""))
    if not sop_class and "Rows" not in dataset:
        return "is damaged, or no image: its header does not tell what it is"
    what = refused_class(sop_class)
    if what:
        return what
    if modality not in MODALITIES:
        return "not of modality CT or MR"
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        return "text is burned into the picture"
    if (number(dataset, "SamplesPerPixel") or 1) != 1:
        return "a colour picture"
    if "ModalityLUTSequence" in dataset:
        return "its intensities are given by a look-up table, which is not supported"
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if not dataset.get(name):
            return f"is damaged: its header has no {name}"
    rows, columns = number(dataset, "Rows") or 0, number(dataset, "Columns") or 0
    if not rows or not columns:
        return "is damaged: its header gives no picture size"
    if rows * columns > LARGEST_SLICE_VOXELS:
        return f"declares a slice of {rows:.0f} x {columns:.0f} voxels, which no scanner makes"
    return None


def _torn(dataset: Any, file: BinaryIO, size: int) -> str | None:
    """Whether the pixels that the header promises are missing; pydicom stops just before them."""
    if dataset.file_meta.get("TransferSyntaxUID", "") == DEFLATED:
        return None  # what follows is compressed as a whole; decoding will tell
    tag, rest = file.read(4), file.read(8)
    big = not dataset.original_encoding[1]
    if tag != (bytes.fromhex("7fe00010") if big else _PIXEL_DATA) or len(rest) < 8:
        return "is torn: it ends before its pixels"
    order = "big" if big else "little"
    explicit = not dataset.original_encoding[0]
    length = int.from_bytes(rest[4:] if explicit else rest[:4], order)  # type: ignore[arg-type]
    begin = file.tell() - (0 if explicit else 4)
    if length == _UNKNOWN_LENGTH:
        return None if size > begin + 8 else "is torn: it ends before its pixels"
    promised = int((number(dataset, "Rows") or 0) * (number(dataset, "Columns") or 0))
    promised *= int(number(dataset, "NumberOfFrames") or 1) * int(number(dataset, "BitsAllocated") or 16) // 8
    there = min(length, size - begin)
    if there < max(promised, length):
        return f"is torn: it holds {there:,} of {max(promised, length):,} bytes of pixels"
    return None


def _single(dataset: Any) -> tuple[Slice, ...] | str:
    """The one slice of a classic file."""
    if (number(dataset, "NumberOfFrames") or 1) != 1:
        return "has several frames but no place for each"
    position = numbers(dataset, "ImagePositionPatient", 3)
    orientation = numbers(dataset, "ImageOrientationPatient", 6)
    spacing = numbers(dataset, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        return "has no place in the patient (position, orientation or pixel spacing is missing)"
    times = {key: value for key in PHASE_KEYS if (value := _time(dataset, key)) is not None}
    slope = number(dataset, "RescaleSlope")
    return (
        Slice(
            frame=0,
            position=(position[0], position[1], position[2]),
            orientation=orientation,
            spacing=(spacing[0], spacing[1]),
            thickness=number(dataset, "SpacingBetweenSlices") or number(dataset, "SliceThickness") or 0.0,
            slope=1.0 if slope is None else slope,
            intercept=number(dataset, "RescaleIntercept") or 0.0,
            component=component(texts(dataset, "ImageType"), str(dataset.get("SeriesDescription") or "")),
            echo=number(dataset, "EchoTime") or 0.0,
            number=int(number(dataset, "InstanceNumber") or 0),
            times=times,
            b_value=b_value(dataset),
            timing=timing(dataset, dataset, dataset),
        ),
    )


def _time(dataset: Any, key: str) -> float | None:
    if key == "AcquisitionTime":
        value = clock(dataset.get(key))
        return clock(str(dataset.get("AcquisitionDateTime") or "")[8:]) if value is None else value
    return clock(dataset.get(key)) if key == "ContentTime" else number(dataset, key)


def _header(path: Path, size: int, dataset: Any, slices: tuple[Slice, ...]) -> Header | LeftOut:
    reasons = {each.component for each in slices}
    if len(reasons) == 1 and (only := reasons.pop()).startswith(LEFT_OUT):
        return LeftOut(path, only.removeprefix(LEFT_OUT))
    maker, model = (str(dataset.get(name) or "").strip() for name in ("Manufacturer", "ManufacturerModelName"))
    return Header(
        path=path,
        size=size,
        patient=" ".join(str(dataset.get("PatientID") or "").split()),
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        instance=str(dataset.SOPInstanceUID),
        date=day(dataset.get("StudyDate")),
        modality=MODALITIES[str(dataset.Modality)],
        description=" ".join(str(dataset.get("SeriesDescription") or "").split()),
        site=" ".join(str(dataset.get("InstitutionName") or "").split()),
        scanner=model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}".strip(),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID") or ""),
        number=int(number(dataset, "SeriesNumber") or 0),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        slices=slices,
    )
