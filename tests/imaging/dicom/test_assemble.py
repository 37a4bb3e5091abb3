"""Groups of slices: complete phases come out in order, and everything that is wrong is told in words."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_phantoms import PLANES, enhanced, item, lps_affine, noise, oblique, place, write_stack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from medcl.imaging.dicom.assemble import Assembled, assemble
from medcl.imaging.dicom.build import build_series
from medcl.imaging.dicom.grouping import Group, group
from medcl.imaging.dicom.header import Header
from medcl.imaging.dicom.read_header import read_header
from medcl.imaging.dicom.walk import walk

AXIAL = lps_affine(PLANES["axial"])
SLICES, PHASES = 4, 3


def groups_of(folder: Path) -> list[Group]:
    headers = [read_header(path) for path in walk(folder) if isinstance(path, Path)]
    assert all(isinstance(each, Header) for each in headers), headers
    return group(headers)[0]  # type: ignore[arg-type]


def assembled(folder: Path) -> Assembled:
    (only,) = groups_of(folder)
    return assemble(only)


def problem(folder: Path) -> str:
    clean = assembled(folder)
    assert not clean.phases
    return " | ".join(clean.problems)


def dynamic(folder: Path, keys: dict[str, Any], *, slice_major: bool = False, skip: int = -1) -> np.ndarray:
    """One series of PHASES x SLICES slices; `keys` gives a header field by (phase, slice). Returns (T, Z, Y, X)."""
    voxels = np.stack([noise(SLICES, seed=seed) for seed in range(PHASES)])
    order = list(product(range(PHASES), range(SLICES)))
    if slice_major:
        order.sort(key=lambda each: each[::-1])
    order = [each for index, each in enumerate(order) if index != skip]
    fields = {name: [value(*each) for each in order] for name, value in keys.items()}
    positions = [[f"{mm:.9g}" for mm in (AXIAL @ place(index))[:3, 3]] for _, index in order]
    write_stack(
        folder,
        np.stack([voxels[each] for each in order]),
        AXIAL,
        ImagePositionPatient=positions,
        RescaleSlope=None,
        RescaleIntercept=None,
        **fields,
    )
    return voxels


def clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}{int(seconds % 3600 // 60):02d}{seconds % 60:06.3f}"


KEYS: dict[str, dict[str, Any]] = {
    "identifier": {"TemporalPositionIdentifier": lambda phase, _: phase + 1},
    "trigger": {"TriggerTime": lambda phase, index: 40.0 * phase + 0.3 * index},
    "time": {"AcquisitionTime": lambda phase, _: clock(36000 + 20.5 * phase)},
    "time of each slice": {"AcquisitionTime": lambda phase, index: clock(36000 + 20.0 * phase + index)},
    "interleaved times": {"AcquisitionTime": lambda phase, index: clock(36000 + 2 * phase + 50 * index)},
    "acquisition": {"AcquisitionNumber": lambda phase, _: 5 + phase},
    "content": {"ContentTime": lambda phase, _: clock(100 + phase)},
    "number alone": {},
    "same time everywhere": {"AcquisitionTime": lambda *_: clock(1), "AcquisitionNumber": lambda phase, _: phase},
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("slice_major", [False, True], ids=["time-major", "slice-major"])
def test_phases_come_out_in_order(tmp_path: Path, keys: dict[str, Any], slice_major: bool) -> None:
    voxels = dynamic(tmp_path, keys, slice_major=slice_major)
    (only,) = groups_of(tmp_path)
    series = build_series(only, assemble(only))
    np.testing.assert_array_equal(series.voxels, voxels[:, :, ::-1, ::-1].astype(np.float32))


def test_phase_order_follows_the_key_and_not_the_instance_number(tmp_path: Path) -> None:
    voxels = dynamic(tmp_path, {"TemporalPositionIdentifier": lambda phase, _: PHASES - phase})
    (only,) = groups_of(tmp_path)
    series = build_series(only, assemble(only))
    np.testing.assert_array_equal(series.voxels, voxels[::-1, :, ::-1, ::-1].astype(np.float32))


def test_acquisition_times(tmp_path: Path) -> None:
    dynamic(tmp_path / "a", KEYS["time"])
    assert assembled(tmp_path / "a").seconds == pytest.approx((0, 20.5, 41))
    dynamic(
        tmp_path / "b", {"AcquisitionTime": lambda phase, _: clock((86390 + 20 * phase) % 86400)} | KEYS["identifier"]
    )
    assert assembled(tmp_path / "b").seconds == pytest.approx((0, 20, 40))  # over midnight
    dynamic(tmp_path / "c", {"TriggerTime": lambda phase, _: 250.0 * phase})
    assert assembled(tmp_path / "c").seconds == pytest.approx((0, 0.25, 0.5))
    dynamic(tmp_path / "d", {})
    assert assembled(tmp_path / "d").seconds == ()


@pytest.mark.parametrize(
    "keys", [KEYS["identifier"], KEYS["time of each slice"], {}], ids=["identifier", "time", "none"]
)
@pytest.mark.parametrize("skip", [0, 5, 11])
def test_incomplete_phases_are_refused(tmp_path: Path, keys: dict[str, Any], skip: int) -> None:
    dynamic(tmp_path, keys, skip=skip)
    assert "incomplete phases: 3 at most positions, but position" in problem(tmp_path)


def test_phases_that_do_not_match_are_refused(tmp_path: Path) -> None:
    """Two of three phases at every position, but not the same two."""
    dynamic(tmp_path, {"TemporalPositionIdentifier": lambda phase, index: phase + 1 + 3 * (index == 2)})
    assert "6 are named, but each position has 3" in problem(tmp_path)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(5, 9), missing=st.sets(st.integers(1, 7), min_size=1, max_size=2), seed=st.integers(0, 99))
def test_missing_slices_are_refused_and_told(
    tmp_path_factory: pytest.TempPathFactory, count: int, missing: set[int], seed: int
) -> None:
    missing = {index for index in missing if index < count - 1}
    if len(missing) * 2 > count - 2 or not missing:
        return  # what is mostly missing is a wider spacing
    folder = tmp_path_factory.mktemp("gap")
    for index, path in enumerate(write_stack(folder, noise(count), lps_affine(oblique(seed)))):
        if index in missing:
            path.unlink()
    told = problem(folder)
    assert f"missing slices: {len(missing)} of {count} (" in told
    assert "(1 after slice" in told or "(2 after slice" in told


def test_a_complete_stack_has_no_problem(tmp_path: Path) -> None:
    """The twin of the refusals: the same stack with nothing missing."""
    write_stack(tmp_path, noise(9), lps_affine(oblique(5)))
    clean = assembled(tmp_path)
    assert (clean.problems, clean.notes, len(clean.phases)) == ((), (), 1)


@pytest.mark.parametrize(("shift", "told"), [(0.5, "uneven spacing: from 2.5 to 3.5 mm"), (0.04, "")])
def test_uneven_spacing_beyond_the_tolerance_is_refused(tmp_path: Path, shift: float, told: str) -> None:
    positions = [[-20, 10, 5 + 3 * index + (shift if index == 3 else 0)] for index in range(6)]
    write_stack(tmp_path, noise(6), AXIAL, ImagePositionPatient=positions)
    clean = assembled(tmp_path)
    assert told in " ".join(clean.problems)
    assert bool(clean.problems) == bool(told)


@pytest.mark.parametrize(("degrees", "told"), [(15.0, "a sheared stack"), (0.2, "")])
def test_a_tilted_gantry_is_refused(tmp_path: Path, degrees: float, told: str) -> None:
    rise = np.tan(np.radians(degrees)) * 3
    positions = [[-20, round(10 + rise * index, 6), 5 + 3 * index] for index in range(6)]
    write_stack(tmp_path, noise(6), AXIAL, ImagePositionPatient=positions)
    clean = assembled(tmp_path)
    assert told in " ".join(clean.problems)
    assert bool(clean.problems) == bool(told)
    if told:
        assert "15.0 degrees" in clean.problems[0]


def test_mixed_orientation_is_refused(tmp_path: Path) -> None:
    series = {"series": generate_uid(), "FrameOfReferenceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    write_stack(tmp_path, noise(6), AXIAL, **series)
    write_stack(tmp_path, noise(1), lps_affine(PLANES["coronal"]), **series)
    assert problem(tmp_path) == "mixed orientation: 2 directions in one series (6 + 1 slices)"


def test_several_whole_stacks_of_one_series_are_told_apart(tmp_path: Path) -> None:
    series = {"series": generate_uid(), "FrameOfReferenceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    write_stack(tmp_path, noise(6), AXIAL, **series)
    write_stack(tmp_path, noise(5), lps_affine(PLANES["coronal"]), **series)
    groups = groups_of(tmp_path)
    assert [(each.stack, len(each.members)) for each in groups] == [(1, 6), (2, 5)]
    assert not any(assemble(each).problems for each in groups)


def test_echoes_are_told_apart(tmp_path: Path) -> None:
    series = {"series": generate_uid(), "FrameOfReferenceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
    for echo in (4.6, 2.3):
        write_stack(tmp_path, noise(3), AXIAL, EchoTime=echo, **series)
    groups = groups_of(tmp_path)
    assert sorted((each.echo, each.members[0].slice.echo) for each in groups) == [(1, 2.3), (2, 4.6)]
    assert not any(assemble(each).problems for each in groups)


def test_copied_files_are_dropped_and_told(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(5), AXIAL)
    shutil.copytree(tmp_path, tmp_path / "copy", dirs_exist_ok=False, ignore=shutil.ignore_patterns("copy"))
    assert len(list((tmp_path / "copy").iterdir())) == len(paths)
    clean = assembled(tmp_path)
    assert len(clean.phases[0]) == 5
    assert clean.notes == ("5 slices were there twice with the same content; one of each is used",)


def test_a_slice_sent_again_under_another_name_is_dropped(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(5), AXIAL)
    again = pydicom.dcmread(paths[2])
    again.SOPInstanceUID, again.InstanceNumber = generate_uid(), 77
    again.save_as(tmp_path / "again")
    clean = assembled(tmp_path)
    assert len(clean.phases[0]) == 5
    assert "1 slices were there twice" in clean.notes[0]


def test_doubled_slices_with_other_content_are_refused(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(5), AXIAL)
    again = pydicom.dcmread(paths[2])
    again.SOPInstanceUID = generate_uid()
    again.PixelData = again.PixelData[::-1]
    again.save_as(tmp_path / "again")
    assert problem(tmp_path) == "doubled slices at 1 of 5 positions, with different content (position 3: 2)"
    again.SOPInstanceUID = pydicom.dcmread(paths[2]).SOPInstanceUID  # even under the same name
    again.save_as(tmp_path / "again")
    assert "doubled slices" in problem(tmp_path)


def test_air_slices_that_are_equal_in_all_phases_are_no_doubles(tmp_path: Path) -> None:
    dynamic(tmp_path, KEYS["identifier"])
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path)
    clean = assembled(tmp_path)
    assert len(clean.phases) == PHASES
    assert not clean.notes


def test_a_missing_frame_of_reference_is_given_in_memory_and_told(tmp_path: Path) -> None:
    write_stack(tmp_path, noise(4), AXIAL, FrameOfReferenceUID=None)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (only,) = groups_of(tmp_path)
    clean = assemble(only)
    assert "no frame of reference" in clean.notes[0]
    assert build_series(only, clean).voxels.shape == (1, 4, 6, 5)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_one_slice_needs_a_thickness(tmp_path: Path) -> None:
    write_stack(tmp_path, noise(1), AXIAL, SliceThickness=None)
    assert "thickness" in problem(tmp_path)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "orientation"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "orientation"),
        ({"PixelSpacing": [0, 1]}, "pixel spacing"),
    ],
)
def test_headers_without_geometry_are_refused(tmp_path: Path, fields: dict[str, Any], told: str) -> None:
    write_stack(tmp_path, noise(4), AXIAL, **fields)
    assert told in problem(tmp_path)


def test_maps_among_the_frames_of_a_file_are_left_out(tmp_path: Path) -> None:
    voxels = np.stack([noise(seed=0), noise(seed=1)])
    path = enhanced(tmp_path / "file", voxels, AXIAL, list(product(range(2), range(4))))
    dataset = pydicom.dcmread(path)
    for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        kind = ["ORIGINAL", "PRIMARY", "T1", "M" if index < 4 else "T1"]
        frame.MRImageFrameTypeSequence = pydicom.Sequence([item(FrameType=kind)])
    dataset.save_as(path)
    header = read_header(path)
    assert isinstance(header, Header)
    (only,), left_out = group([header])
    assert len(only.members) == 4
    assert [each.reason for each in left_out] == ["a derived map (t1): 4 of its 8 frames"]
