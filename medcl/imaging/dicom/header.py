"""What medcl keeps of a DICOM header: enough to group, order and place slices, and nothing that names a person.

Of a patient's data only the patient ID is read, which cohort.csv needs; name, birth date, accession number and
physicians are never even parsed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PHASE_KEYS = (
    "TemporalPositionIdentifier",
    "TriggerTime",
    "AcquisitionTime",
    "AcquisitionNumber",
    "ContentTime",
)
"""What may tell the phases of a series apart, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: a classic file, or a frame of an enhanced one.

    Attributes:
        frame: its index in the file, from 0.
        position: (x, y, z) of the first voxel's centre, LPS mm (ImagePositionPatient).
        orientation: directions of a row and of a column, six cosines in LPS (ImageOrientationPatient).
        spacing: between rows and between columns in mm (PixelSpacing).
        thickness: mm; the distance to the next slice where the header tells it; 0 when unknown.
        slope, intercept: stored value * slope + intercept is the intensity.
        component: magnitude, water, fat, in-phase, out-phase, or why the slice is no image ("left out: ...").
        echo: echo time in ms, 0 when unknown.
        number: InstanceNumber, or the frame's.
        times: value of each of PHASE_KEYS that is there: times in seconds after midnight, TriggerTime in ms.
        b_value: of a diffusion image in s/mm2, None when the header tells none.
        timing: repetition time and inversion time in ms and flip angle in degrees, 0 where unknown.
    """

    frame: int
    position: tuple[float, float, float]
    orientation: tuple[float, ...]
    spacing: tuple[float, float]
    thickness: float
    slope: float
    intercept: float
    component: str
    echo: float
    number: int
    times: Mapping[str, float] = field(default_factory=dict)
    b_value: float | None = None
    timing: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Header:
    """What is kept of one file.

    Attributes:
        path: the file.
        size: in bytes.
        patient: PatientID, "" when missing.
        study, series, instance: UIDs.
        date: of the study, ISO, "" when missing.
        modality: ct or mr.
        description: of the series.
        site, scanner: institution; manufacturer and model.
        frame_of_reference: UID, "" when missing.
        number: of the series.
        rows, columns: of a slice.
        slices: its frames.
    """

    path: Path
    size: int
    patient: str
    study: str
    series: str
    instance: str
    date: str
    modality: str
    description: str
    site: str
    scanner: str
    frame_of_reference: str
    number: int
    rows: int
    columns: int
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that gives no image, and why."""

    path: Path
    reason: str
