"""Which series are phases of one another, and which only look like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import PLANES, lps_affine, noise, write_stack

from medcl.imaging.dicom.assemble import assemble
from medcl.imaging.dicom.grouping import group
from medcl.imaging.dicom.header import Header
from medcl.imaging.dicom.join import Joined, join
from medcl.imaging.dicom.read_header import read_header
from medcl.imaging.dicom.read_series import read_dicom, read_series
from medcl.imaging.dicom.rules import PHASE_SERIES, pattern_of
from medcl.imaging.dicom.walk import walk
from medcl.study.errors import BadInput

AXIAL = lps_affine(PLANES["axial"])
TIMES = ("100000", "100020", "100100")


def write(folder: Path, number: int, affine: np.ndarray = AXIAL, count: int = 3, **fields: Any) -> None:
    usual = {
        "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.3", "SeriesNumber": number,
        "SeriesDescription": f"dyn {number}", "AcquisitionTime": TIMES[number - 1], "FlipAngle": 12.0,
    }  # fmt: skip
    write_stack(folder / f"SE{number}", noise(count, seed=number), affine, **(usual | fields))


def joined(folder: Path, words: tuple[str, ...] = PHASE_SERIES) -> list[Joined]:
    headers = [read_header(path) for path in walk(folder) if isinstance(path, Path)]
    groups, _ = group(each for each in headers if isinstance(each, Header))
    return join(groups, [assemble(each) for each in groups], [pattern_of(each) for each in words])


def test_series_of_one_dynamic_are_phases_in_order_of_time(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        write(tmp_path, number)
    (found,) = joined(tmp_path)
    assert (found.places, found.seconds, found.words) == ((0, 1, 2), (0.0, 20.0, 60.0), "dyn")
    assert [phase[0].slice.times["AcquisitionTime"] for phase in found.phases] == [36000, 36020, 36060]


def test_a_folder_of_such_series_is_read_as_one_with_times(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        write(tmp_path, number)
    made = read_series(tmp_path)
    assert (made.voxels.shape, made.seconds) == ((3, 3, 6, 5), (0.0, 20.0, 60.0))
    for phase, number in zip(made.voxels, (1, 2, 3), strict=True):
        np.testing.assert_array_equal(phase, read_dicom(tmp_path / f"SE{number}").voxels)
    with pytest.raises(BadInput, match="holds 3 phases"):
        read_dicom(tmp_path)
    write(tmp_path / "other", 1, SeriesDescription="t2")
    with pytest.raises(BadInput, match="holds 4 images"):
        read_series(tmp_path)


def test_temporal_positions_tell_it_without_words(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number, SeriesDescription="LAVA", TemporalPositionIdentifier=number)
    assert [each.words for each in joined(tmp_path)] == ["LAVA"]


@pytest.mark.parametrize(
    "other",
    [
        {"StudyInstanceUID": "1.9"},
        {"FrameOfReferenceUID": "1.9"},
        {"SeriesDescription": "t2 dyn 2"},
        {"FlipAngle": 5.0},
        {"InversionTime": 100.0},
        {"RepetitionTime": 9.0},
        {"EchoTime": 2.0},
        {"DiffusionBValue": 800.0},
        {"AcquisitionTime": "100000"},
        {"AcquisitionTime": "110000"},
        {"AcquisitionTime": None},
        {"count": 4},
        {"affine": lps_affine(PLANES["axial"], origin=(-20, 10, 5.1))},
        {"affine": lps_affine(PLANES["coronal"])},
        {"affine": lps_affine(PLANES["axial"], spacing=(1.6, 2.0, 3.0))},
        {"PatientID": "P8"},
    ],
)
def test_what_differs_is_no_phase(tmp_path: Path, other: dict[str, Any]) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, **other)
    assert joined(tmp_path) == []


def test_a_repeated_scan_is_no_phase(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number, SeriesDescription="t2 haste")
    assert joined(tmp_path) == []
    assert len(joined(tmp_path, ("haste",))) == 1, "unless the user says so"


def test_nothing_is_joined_without_words(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path, number)
    assert joined(tmp_path, ()) == []


def test_two_reconstructions_of_each_phase_are_left_as_they_are(tmp_path: Path) -> None:
    for number, kernel in ((1, 30), (2, 70)):
        write(tmp_path / str(kernel), 1, SeriesDescription=f"dyn B{kernel}", SeriesNumber=number)
        write(tmp_path / str(kernel), 2, SeriesDescription=f"dyn B{kernel}", SeriesNumber=number + 2)
    assert joined(tmp_path) == []
