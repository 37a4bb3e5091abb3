"""Predicted label maps as DICOM SEG objects, which viewers and archives show over the series that they belong to.

Unlike everything else that medcl writes, a SEG carries the patient's header (name, id, birth date, study) on purpose:
without it no archive knows whose it is. highdicom writes it; one binary segment a class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

import medcl
from medcl.imaging.dicom.assemble import assemble
from medcl.imaging.dicom.grouping import Member, group
from medcl.imaging.dicom.header import Header
from medcl.imaging.dicom.read_header import quiet, read_header
from medcl.imaging.dicom.stack import normal_of
from medcl.imaging.dicom.walk import walk
from medcl.imaging.geometry import Affine, spacing_of
from medcl.imaging.restore import restored_labels
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.study.files import write_whole
from medcl.study.label_classes import LabelClass

SERIES_NUMBER = 900
"""Of the new series; high, so that it stands behind the scanner's own."""

CODING_SCHEME = "99MEDCL"
"""Private scheme (DICOM PS3.3, 8.2: private ones begin with 99) of the segments' types: label value and name, as the
study declares them. medcl does not guess at SNOMED codes from names that users chose."""

_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime"),
)
"""Fields that every image must have and may leave empty (type 2), but that anonymisers remove; highdicom asks for
them."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LONGEST_TEXT = 64


@dataclass(frozen=True, eq=False)
class DicomGrid:
    """The slices of the one image of a DICOM folder, in the order of the stack.

    Attributes:
        members: the slices.
        shape: (slices, rows, columns).
        affine: (4, 4) from (column, row, slice) to RAS mm.
    """

    members: tuple[Member, ...]
    shape: tuple[int, int, int]
    affine: Affine

    @classmethod
    def read(cls, folder: Path) -> DicomGrid:
        """The grid of a folder that was read and found good (`dicom.read_series.read_dicom`).

        Raises:
            BadInput: it holds no such image.
        """
        headers = [read_header(each) for each in walk(folder) if isinstance(each, Path)]
        groups, _ = group(header for header in headers if isinstance(header, Header))
        clean = assemble(groups[0]) if len(groups) == 1 else None
        if clean is None or len(clean.phases) != 1:
            raise BadInput(f"{folder}: does not hold one 3D image, for which a SEG could be written.")
        members, head = clean.phases[0], groups[0].head
        return cls(members, (len(members), head.rows, head.columns), _affine(members))


def modality_of(folder: Path) -> str:
    """ct or mr, as the first image file of a DICOM folder says; "" where none is found."""
    for each in walk(folder):
        header = read_header(each) if isinstance(each, Path) else None
        if isinstance(header, Header):
            return header.modality
    return ""


def write_seg(path: Path, labels: Volume, folder: Path, classes: Sequence[LabelClass], run: str) -> None:
    """Write a label map as a DICOM SEG, whole or not at all.

    Args:
        path: where to.
        labels: (Z, Y, X) label values on any grid of the image's voxels, as the canonical one.
        folder: the DICOM folder of the image; every frame refers to its slice there.
        classes: value, name and colour of each segment.
        run: what predicted it, for the description.

    Raises:
        BadInput: the folder does not hold one 3D image, or headers that make no SEG.
        RunFailed: the disk is full or cannot be written to.
    """
    grid = DicomGrid.read(folder)
    on_slices = restored_labels(labels, grid.shape, grid.affine).voxels
    segments = np.zeros(int(max(each.value for each in classes)) + 1, np.uint16)
    for number, each in enumerate(classes, start=1):
        segments[each.value] = number
    try:
        made = _made(grid, segments[on_slices], classes, run)
    except MemoryError:
        raise
    except Exception as error:  # highdicom's and pydicom's own, whose texts quote the header
        raise BadInput(
            f"{folder}: no SEG can be written for this series, its headers lack what one needs "
            f"({type(error).__name__})."
        ) from error
    with write_whole(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)


def _made(grid: DicomGrid, segments: NDArray[np.uint16], classes: Sequence[LabelClass], run: str) -> Any:
    with quiet():
        sources, pixels = _sources(grid, segments)
        return highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=pixels,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=[_segment(number, each, run) for number, each in enumerate(classes, start=1)],
            series_instance_uid=generate_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="medcl",
            manufacturer_model_name="medcl",
            software_versions=medcl.__version__,
            device_serial_number="none",
            content_label="SEGMENTATION",
            content_description=f"medcl, research use only; run {run}"[:_LONGEST_TEXT],
            series_description=f"medcl segmentation ({run})"[:_LONGEST_TEXT],
        )


def _sources(grid: DicomGrid, segments: NDArray[np.uint16]) -> tuple[list[Any], NDArray[Any]]:
    """The datasets of the slices without pixels, and the segments in the order of their frames."""
    kind = np.uint8 if segments.max(initial=0) <= np.iinfo(np.uint8).max else np.uint16
    paths = list(dict.fromkeys(member.path for member in grid.members))
    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    many = "PerFrameFunctionalGroupsSequence" in sources[0]
    frame_of_reference = generate_uid()
    for source in sources:
        for name in _MAY_BE_EMPTY:
            if name not in source:
                setattr(source, name, "")
        if not source.get("FrameOfReferenceUID"):  # taken away by an anonymiser; given in memory, never written back
            source.FrameOfReferenceUID = frame_of_reference
        if not many:
            _agree(source, sources[0], grid)
    if not many:
        return sources, segments.astype(kind)
    _share(sources[0], grid)
    pixels = np.zeros((int(sources[0].NumberOfFrames), *segments.shape[1:]), kind)  # frames left out stay empty
    for member, plane in zip(grid.members, segments, strict=True):
        pixels[member.slice.frame] = plane
    return sources, pixels


def _agree(source: Any, first: Any, grid: DicomGrid) -> None:
    """Give a classic file what highdicom asks of all: a thickness, and the first one's orientation to the last digit.

    Slices whose orientation differs by more than rounding were never grouped into one image.
    """
    source.ImageOrientationPatient = first.ImageOrientationPatient
    if not source.get("SliceThickness"):
        source.SliceThickness = f"{spacing_of(grid.affine)[0]:.10g}"


def _share(source: Any, grid: DicomGrid) -> None:
    """State for all frames of an enhanced file what it repeats for each of them, where highdicom looks for it."""
    frame = source.PerFrameFunctionalGroupsSequence[grid.members[0].slice.frame]
    if not source.get("SharedFunctionalGroupsSequence"):
        source.SharedFunctionalGroupsSequence = [pydicom.Dataset()]
    shared = source.SharedFunctionalGroupsSequence[0]
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        if not shared.get(name):
            setattr(shared, name, frame[name].value)
    if not shared.PixelMeasuresSequence[0].get("SliceThickness"):
        shared.PixelMeasuresSequence[0].SliceThickness = f"{spacing_of(grid.affine)[0]:.10g}"


def _segment(number: int, each: LabelClass, run: str) -> Any:
    name = each.name[:_LONGEST_TEXT].strip()
    return highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=highdicom.sr.CodedConcept(str(each.value), CODING_SCHEME, name),
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="medcl",
            family=codes.DCM.ArtificialIntelligence,
            version=medcl.__version__,
            parameters={"run": run},
        ),
        tracking_uid=generate_uid(),
        tracking_id=name,
        display_color=CIELabColor.from_rgb(*(int(each.colour[at : at + 2], 16) for at in (1, 3, 5))),
    )


def _affine(members: Sequence[Member]) -> Affine:
    first, last = members[0].slice, members[-1].slice
    row, column = np.array(first.orientation).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, 0] = row * first.spacing[1]
    affine[:3, 1] = column * first.spacing[0]
    if len(members) > 1:
        affine[:3, 2] = (np.array(last.position) - np.array(first.position)) / (len(members) - 1)
    else:
        affine[:3, 2] = normal_of(members[0]) * first.thickness
    affine[:3, 3] = first.position
    return np.asarray(_LPS_TO_RAS @ affine)
