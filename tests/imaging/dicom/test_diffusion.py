"""b-values, standard and makers' own, and that images of several are no phases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_phantoms import PLANES, classic, enhanced, item, lps_affine, noise, place, write_stack
from pydicom.sequence import Sequence as DicomSequence

from medcl.imaging.dicom.assemble import DIRECTIONS, assemble
from medcl.imaging.dicom.diffusion import b_value
from medcl.imaging.dicom.grouping import Group, group
from medcl.imaging.dicom.header import Header
from medcl.imaging.dicom.read_header import read_header
from medcl.imaging.dicom.walk import walk

AXIAL = lps_affine(PLANES["axial"])


def groups_of(folder: Path) -> list[Group]:
    headers = [read_header(path) for path in walk(folder) if isinstance(path, Path)]
    return group(each for each in headers if isinstance(each, Header))[0]


def private(folder: Path, tag_group: int, creator: str, element: int, kind: str, value: Any) -> Header:
    """A file with a b-value in a maker's private block."""
    dataset = classic(noise(1)[0], AXIAL @ place(0), {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3"})
    block = dataset.private_block(tag_group, creator, create=True)
    block.add_new(element, kind, value)
    folder.mkdir(exist_ok=True)
    dataset.save_as(folder / "IM0", enforce_file_format=True)
    header = read_header(folder / "IM0")
    assert isinstance(header, Header)
    return header


@pytest.mark.parametrize(
    ("tag_group", "creator", "element", "kind", "value", "expected"),
    [
        (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", 800, 800),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", [1000000600, 8, 0, 0], 600),
        (0x0043, "GEMS_PARM_01", 0x39, "IS", [50, 8, 0, 0], 50),
        (0x2001, "Philips Imaging DD 001", 0x03, "FL", 400.0, 400),
        (0x0019, "SIEMENS MR HEADER", 0x0C, "UN", b"1000 ", 1000),
        (0x0019, "SOMEBODY ELSE", 0x0C, "IS", 800, None),
        (0x0043, "GEMS_PARM_01", 0x39, "LO", "none", None),
    ],
)
def test_makers_own_fields(
    tmp_path: Path, tag_group: int, creator: str, element: int, kind: str, value: Any, expected: float | None
) -> None:
    assert private(tmp_path, tag_group, creator, element, kind, value).slices[0].b_value == expected


def test_the_standard_field_wins() -> None:
    dataset = pydicom.Dataset()
    assert b_value(dataset) is None
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", 800)
    assert b_value(dataset) == 800
    dataset.DiffusionBValue = 50.0
    assert b_value(dataset) == 50


def test_b_values_of_one_series_are_no_phases(tmp_path: Path) -> None:
    series = {"series": "1.2.9", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.3"}
    for number, value in enumerate((0.0, 50.0, 800.0)):
        write_stack(tmp_path, noise(3, seed=number), AXIAL, DiffusionBValue=value, AcquisitionTime="100000", **series)
    found = groups_of(tmp_path)
    assert sorted((each.b_value, len(assemble(each).phases)) for each in found) == [(0, 1), (50, 1), (800, 1)]


def test_a_series_without_or_with_one_b_value_is_as_before(tmp_path: Path) -> None:
    write_stack(tmp_path / "a", noise(3), AXIAL)
    write_stack(tmp_path / "b", noise(3), AXIAL, DiffusionBValue=0.0)
    assert [each.b_value for each in groups_of(tmp_path)] == [None, None]


def test_slices_that_tell_no_b_value_stay_apart_and_are_not_guessed(tmp_path: Path) -> None:
    series = {"series": "1.2.9", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.3"}
    write_stack(tmp_path, noise(3, seed=1), AXIAL, **series)
    write_stack(tmp_path, noise(3, seed=2), AXIAL, DiffusionBValue=800.0, **series)
    assert {each.b_value for each in groups_of(tmp_path)} == {None, 800}


def test_directions_of_one_b_value_are_told(tmp_path: Path) -> None:
    series = {"series": "1.2.9", "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.3"}
    for number, time in enumerate(("100000", "100010", "100020")):
        write_stack(tmp_path, noise(3, seed=number), AXIAL, DiffusionBValue=800.0, AcquisitionTime=time, **series)
    clean = assemble(groups_of(tmp_path)[0])
    assert (len(clean.phases), clean.seconds, clean.notes) == (3, (), (DIRECTIONS,))


def test_frames_of_an_enhanced_file(tmp_path: Path) -> None:
    """Two b-values; the frames without tell no number, only that there is no direction."""
    voxels = noise(8).reshape(2, 4, 6, 5)
    order = [(phase, index) for phase in range(2) for index in range(4)]
    path = enhanced(tmp_path / "IM0", voxels, AXIAL, order)
    dataset = pydicom.dcmread(path)
    for (phase, _), frame in zip(order, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        own = item(DiffusionBValue=600.0) if phase else item(DiffusionDirectionality="NONE")
        frame.MRDiffusionSequence = DicomSequence([own])
    dataset.save_as(path)
    assert sorted((each.b_value, len(each.members)) for each in groups_of(tmp_path)) == [(0, 4), (600, 4)]
