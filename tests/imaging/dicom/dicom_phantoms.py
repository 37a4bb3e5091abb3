"""DICOM series whose voxels tell where they lie, written with pydicom alone.

A stack is described by an LPS affine from (column, row, slice) index to mm; the value of a voxel is a coordinate of its
own centre, packed into integers by a rescale slope, so that a reader that permutes, flips or shifts anything is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation

SLOPE, INTERCEPT = 0.01, -300.0
"""Stored integers are (mm + 300) * 100: coordinates between -300 and 355 mm, rounded to 0.005 mm."""

ROUNDING = 0.0051

PLANES = {
    "axial": [[1, 0, 0], [0, 1, 0]],
    "coronal": [[1, 0, 0], [0, 0, -1]],
    "sagittal": [[0, 1, 0], [0, 0, -1]],
    "flipped": [[-1, 0, 0], [0, 1, 0]],
}
"""Directions of a row and of a column in LPS."""


def oblique(seed: int) -> list[list[float]]:
    """Directions of a row and a column, turned by any angle."""
    turn = Rotation.random(random_state=seed).as_matrix()
    return [list(turn[:, 0]), list(turn[:, 1])]


def lps_affine(
    plane: Sequence[Sequence[float]], spacing: Sequence[float] = (1.5, 2.0, 3.0), origin: Sequence[float] = (-20, 10, 5)
) -> np.ndarray:
    """From (column, row, slice) index to LPS mm; spacing between columns, rows and slices."""
    row, column = (np.array(each, float) for each in plane)
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([row, column, np.cross(row, column)]) * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def coordinates(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """LPS mm of every voxel: (3, slice, row, column) for a shape (slice, row, column)."""
    slices, rows, columns = np.indices(shape)
    index = np.stack([columns, rows, slices]).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)


def write_stack(folder: Path, voxels: np.ndarray, affine: np.ndarray, *, series: str = "", **fields: Any) -> list[Path]:
    """Write one classic file for each slice.

    Args:
        folder: where to; files are named IM0, IM1, ... without extension, after those that are there.
        voxels: (slice, row, column) stored numbers.
        affine: LPS, from (column, row, slice).
        series: its SeriesInstanceUID.
        fields: more header fields by keyword; a list with as many entries as slices has one for each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    start = len(list(folder.glob("IM*")))
    series = series or generate_uid()
    common = {"StudyInstanceUID": generate_uid(), "FrameOfReferenceUID": generate_uid()} | fields
    paths = []
    for index, plane in enumerate(voxels):
        own = {
            name: value[index] if isinstance(value, list) and len(value) == len(voxels) else value
            for name, value in common.items()
        }
        dataset = classic(
            plane, affine @ place(index), {"SeriesInstanceUID": series, "InstanceNumber": index + 1} | own
        )
        paths.append(folder / f"IM{start + index}")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def place(index: float) -> np.ndarray:
    """Moves an affine to a slice."""
    move = np.eye(4)
    move[2, 3] = index
    return move


def classic(plane: np.ndarray, affine: np.ndarray, fields: dict[str, Any]) -> FileDataset:
    """A classic single-slice dataset; `affine` begins at the slice."""
    dataset = bare(CTImageStorage if fields.get("Modality") == "CT" else MRImageStorage)
    set_pixels(dataset, plane)
    dataset.ImagePositionPatient = [short(mm) for mm in affine[:3, 3]]
    dataset.ImageOrientationPatient = [short(c) for c in direction(affine)]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    dataset.PixelSpacing = [short(spacing[1]), short(spacing[0])]
    dataset.SliceThickness = short(spacing[2])
    for name, value in fields.items():
        if value is not None:
            setattr(dataset, name, value)
        elif name in dataset:
            delattr(dataset, name)
    return dataset


def bare(sop_class: str) -> FileDataset:
    """A dataset with identity, image type and the rescale of the phantoms."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CT" if sop_class == CTImageStorage else "MR"
    dataset.PatientID, dataset.PatientName, dataset.StudyDate = "P7", "Doe^Jane", "20200105"
    dataset.ImageType, dataset.SeriesNumber = ["ORIGINAL", "PRIMARY", "M"], 3
    dataset.RescaleSlope, dataset.RescaleIntercept = SLOPE, INTERCEPT
    return dataset


def set_pixels(dataset: Dataset, voxels: np.ndarray) -> None:
    """Store numbers of (row, column), or (frame, row, column), in their own type."""
    dataset.Rows, dataset.Columns = voxels.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = voxels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(voxels.dtype.kind == "i")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelData = voxels.tobytes()


def enhanced(
    path: Path, voxels: np.ndarray, affine: np.ndarray, order: Sequence[tuple[int, int]], **fields: Any
) -> Path:
    """Write one enhanced MR file.

    Args:
        path: where to.
        voxels: (phase, slice, row, column) stored numbers.
        affine: LPS, from (column, row, slice).
        order: (phase, slice) of each frame.
        fields: more header fields by keyword.
    """
    dataset = bare(EnhancedMRImageStorage)
    set_pixels(dataset, np.stack([voxels[phase, index] for phase, index in order]))
    dataset.NumberOfFrames = len(order)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    measures = item(PixelSpacing=[short(spacing[1]), short(spacing[0])], SliceThickness=short(spacing[2]))
    orientation = item(ImageOrientationPatient=[short(c) for c in direction(affine)])
    scale = item(RescaleSlope=SLOPE, RescaleIntercept=INTERCEPT)
    dataset.SharedFunctionalGroupsSequence = DicomSequence(
        [
            item(
                PixelMeasuresSequence=[measures],
                PlaneOrientationSequence=[orientation],
                PixelValueTransformationSequence=[scale],
            )
        ]
    )
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(
        [
            item(
                FrameContentSequence=[
                    item(TemporalPositionIndex=phase + 1, StackID="1", InStackPositionNumber=index + 1)
                ],
                PlanePositionSequence=[item(ImagePositionPatient=[short(mm) for mm in (affine @ place(index))[:3, 3]])],
            )
            for phase, index in order
        ]
    )
    for name, value in fields.items():
        setattr(dataset, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def item(**fields: Any) -> Dataset:
    """A dataset of a sequence."""
    dataset = Dataset()
    for name, value in fields.items():
        setattr(dataset, name, DicomSequence(value) if name.endswith("Sequence") else value)
    return dataset


def direction(affine: np.ndarray) -> list[float]:
    """The six cosines of a slice."""
    cosines = affine[:3, :2] / np.linalg.norm(affine[:3, :2], axis=0)
    return [*cosines[:, 0], *cosines[:, 1]]


def short(number: float) -> str:
    """A number in the 16 characters that DICOM grants it."""
    return next(text for digits in range(15, 5, -1) if len(text := f"{number:.{digits}g}") <= 16)


def stored(mm: np.ndarray, kind: str = "uint16") -> np.ndarray:
    """Millimetres as the integers that a phantom stores."""
    return np.rint((mm - INTERCEPT) / SLOPE).astype(kind)


def noise(count: int = 4, rows: int = 6, columns: int = 5, seed: int = 0) -> np.ndarray:
    """(slice, row, column) random stored numbers."""
    return np.random.default_rng(seed).integers(0, 4000, (count, rows, columns)).astype(np.uint16)
