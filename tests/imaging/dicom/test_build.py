"""Volumes from DICOM series: every voxel keeps its place in the patient, whatever way the slices are stored."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_phantoms import (
    INTERCEPT,
    PLANES,
    ROUNDING,
    SLOPE,
    coordinates,
    enhanced,
    lps_affine,
    noise,
    oblique,
    stored,
    write_stack,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from medcl.imaging.dicom.read_series import read_dicom, read_series
from medcl.imaging.volume import Volume

SHAPE = (4, 6, 5)
TO_RAS = np.array([-1.0, -1.0, 1.0])


def assert_voxels_know_their_places(volumes: list[Volume]) -> None:
    """Volumes that hold the R, A and S coordinate of each voxel hold those that their affine tells."""
    shape = volumes[0].voxels.shape
    index = np.indices(shape).reshape(3, -1)[::-1]  # x, y, z
    for axis, volume in enumerate(volumes):
        told = (volume.affine[:3, :3] @ index + volume.affine[:3, 3:])[axis].reshape(shape)
        np.testing.assert_allclose(volume.voxels, told, atol=ROUNDING)
        assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")


def position_phantoms(
    folder: Path, affine: np.ndarray, shape: tuple[int, int, int] = SHAPE, **how: object
) -> list[Path]:
    """Three series whose values are the R, A and S coordinate."""
    folders = []
    for axis, mm in enumerate(coordinates(affine, shape)):
        voxels = stored(mm * TO_RAS[axis])
        order = how.get("order")
        folders.append(folder / f"axis{axis}")
        if order is None:
            write_stack(folders[-1], voxels, affine)
        else:
            shuffle_stack(folders[-1], voxels, affine, np.asarray(order))
    return folders


def shuffle_stack(folder: Path, voxels: np.ndarray, affine: np.ndarray, order: np.ndarray) -> None:
    """Files and numbers in another order than the places."""
    positions = [[f"{mm:.9g}" for mm in (affine @ [0, 0, index, 1])[:3]] for index in order]
    write_stack(folder, voxels[order], affine, ImagePositionPatient=positions)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("order", [None, [3, 2, 1, 0], [2, 0, 3, 1]], ids=["rising", "reversed", "shuffled"])
def test_every_voxel_knows_its_place(tmp_path: Path, plane: str, order: list[int] | None) -> None:
    folders = position_phantoms(tmp_path, lps_affine(PLANES[plane]), order=order)
    assert_voxels_know_their_places([read_dicom(folder) for folder in folders])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), shape=st.tuples(*[st.integers(2, 7)] * 3))
def test_oblique_stacks_keep_every_voxel_in_its_place(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shape: tuple[int, int, int]
) -> None:
    spacing = np.random.default_rng(seed).uniform(0.5, 5.0, 3)
    affine = lps_affine(oblique(seed), spacing)
    folders = position_phantoms(tmp_path_factory.mktemp("oblique"), affine, shape)
    volumes = [read_dicom(folder) for folder in folders]
    assert_voxels_know_their_places(volumes)
    assert sorted(volumes[0].spacing) == pytest.approx(sorted(spacing), rel=1e-6)


def test_the_phantoms_see_a_reader_that_forgets_a_flip(tmp_path: Path) -> None:
    volumes = [read_dicom(folder) for folder in position_phantoms(tmp_path, lps_affine(PLANES["axial"]))]
    for axis in range(3):
        broken = [Volume(np.flip(each.voxels, axis), each.affine) for each in volumes]
        with pytest.raises(AssertionError):
            assert_voxels_know_their_places(broken)


def test_a_known_volume_worked_out_by_hand(tmp_path: Path) -> None:
    """Rows run to the left and columns to the back: both are reversed in RAS; slices run to the head already."""
    voxels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    write_stack(
        tmp_path, voxels, lps_affine(PLANES["axial"], (1, 2, 5), (10, 20, 30)), RescaleSlope=1, RescaleIntercept=0
    )
    volume = read_dicom(tmp_path)
    np.testing.assert_array_equal(volume.voxels, voxels[:, ::-1, ::-1])
    np.testing.assert_allclose(volume.affine, [[1, 0, 0, -13], [0, 2, 0, -24], [0, 0, 5, 30], [0, 0, 0, 1]])


def test_rescale_is_that_of_each_slice(tmp_path: Path) -> None:
    voxels = noise()
    slopes, intercepts = [1.0, 2.0, 0.5, 4.0], [0.0, -1024.0, 3.0, 1.0]
    write_stack(tmp_path, voxels, lps_affine(PLANES["axial"]), RescaleSlope=slopes, RescaleIntercept=intercepts)
    expected = voxels * np.reshape(slopes, (4, 1, 1)) + np.reshape(intercepts, (4, 1, 1))
    np.testing.assert_allclose(read_dicom(tmp_path).voxels, expected[:, ::-1, ::-1])


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "uint32"])
def test_every_number_type(tmp_path: Path, kind: str) -> None:
    low, high = (-2000, 2000) if kind.startswith("i") else (0, 250)
    voxels = np.random.default_rng(1).integers(low, high, SHAPE).astype(kind)
    write_stack(tmp_path, voxels, lps_affine(PLANES["axial"]), RescaleSlope=None, RescaleIntercept=None)
    np.testing.assert_array_equal(read_dicom(tmp_path).voxels, voxels[:, ::-1, ::-1].astype(np.float32))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=lambda uid: uid.name)
def test_packed_pixels_are_the_same(tmp_path: Path, syntax: pydicom.uid.UID) -> None:
    paths = write_stack(tmp_path, noise(rows=48, columns=40), lps_affine(PLANES["coronal"]))
    plain = read_dicom(tmp_path)
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(path)
    packed = read_dicom(tmp_path)
    np.testing.assert_array_equal(packed.voxels, plain.voxels)
    np.testing.assert_array_equal(packed.affine, plain.affine)


def test_files_without_a_preamble_are_read(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(), lps_affine(PLANES["axial"]))
    plain = read_dicom(tmp_path)
    for path in paths:
        bare = pydicom.Dataset()
        bare.update(pydicom.dcmread(path))
        bare.save_as(path, implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_dicom(tmp_path).voxels, plain.voxels)


def test_big_endian_files_are_read(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(), lps_affine(PLANES["axial"]))
    plain = read_dicom(tmp_path)
    for path in paths:
        dataset = pydicom.dcmread(path)
        swapped = pydicom.Dataset()
        for element in dataset:
            swapped.add(element)
        swapped.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
        swapped.file_meta = dataset.file_meta
        swapped.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        swapped.save_as(path, implicit_vr=False, little_endian=False, enforce_file_format=True)
    np.testing.assert_array_equal(read_dicom(tmp_path).voxels, plain.voxels)


def test_baseline_jpeg_is_read(tmp_path: Path) -> None:
    """Lossy, so that values are compared within a few grey levels; the encoder is Pillow's, which highdicom brings."""
    ramp = np.add.outer(np.arange(48), np.arange(40)).astype(np.uint8)
    voxels = np.stack([ramp, ramp + 20, ramp + 40])
    paths = write_stack(tmp_path, voxels, lps_affine(PLANES["axial"]), RescaleSlope=None, RescaleIntercept=None)
    for path, plane in zip(paths, voxels, strict=True):
        dataset, packed = pydicom.dcmread(path), io.BytesIO()
        Image.fromarray(plane).save(packed, "JPEG", quality=98)
        dataset.PixelData = encapsulate([packed.getvalue()])
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.save_as(path)
    np.testing.assert_allclose(read_dicom(tmp_path).voxels, voxels[:, ::-1, ::-1], atol=3)


def test_frames_of_a_packed_enhanced_file(tmp_path: Path) -> None:
    voxels = np.stack([noise(seed=seed) for seed in range(2)])
    order = [(phase, index) for index in range(4) for phase in range(2)]
    path = enhanced(tmp_path / "file", voxels, lps_affine(PLANES["axial"]), order)
    plain = read_series(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    np.testing.assert_array_equal(read_series(tmp_path).voxels, plain.voxels)


@pytest.mark.parametrize("time_major", [True, False], ids=["time-major", "slice-major"])
def test_enhanced_phases_keep_their_places_and_order(tmp_path: Path, time_major: bool) -> None:
    affine = lps_affine(oblique(3))
    where = coordinates(affine, SHAPE)[2]
    voxels = np.stack([stored(where), stored(where + 40), stored(where + 80)])
    order = [(phase, index) for phase in range(3) for index in range(SHAPE[0])]
    if not time_major:
        order.sort(key=lambda each: (each[1], each[0]))
    enhanced(tmp_path / "file", voxels, affine, order)
    series = read_series(tmp_path)
    assert series.voxels.shape[0] == 3
    index = np.indices(series.voxels.shape[1:]).reshape(3, -1)[::-1]
    told = (series.affine[:3, :3] @ index + series.affine[:3, 3:])[2].reshape(series.voxels.shape[1:])
    for phase, added in enumerate((0, 40, 80)):
        np.testing.assert_allclose(series.voxels[phase], told + added, atol=ROUNDING)


def test_a_single_slice_takes_its_thickness_as_spacing(tmp_path: Path) -> None:
    write_stack(tmp_path, noise(1), lps_affine(PLANES["axial"], (1, 2, 7)))
    volume = read_dicom(tmp_path)
    assert volume.shape == (1, 6, 5)
    assert volume.spacing == pytest.approx((7, 2, 1))
    assert volume.voxels.min() >= INTERCEPT
    assert volume.voxels.max() <= SLOPE * 4000 + INTERCEPT
