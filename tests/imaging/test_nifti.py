"""Reading NIfTI: each voxel keeps its place in the patient, and what cannot be trusted is refused in one sentence."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given
from imaging_phantoms import AFFINE, QUICK, noise, positions, random_affine, save, seeds, shapes, stored_positions

from medcl.imaging.nifti import decode_image, read_nifti, write_nifti
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

COUNTING = np.arange(120, dtype=np.int16).reshape(6, 5, 4)


def assert_voxels_keep_their_places(read: object, folder: Path, shape: tuple[int, ...], affine: np.ndarray) -> None:
    """Every voxel of a file that holds its own x (then y, then z) still holds it after reading."""
    for axis, values in enumerate(positions(affine, shape)):
        volume = read(save(folder / "place.nii", values.astype(np.float32), affine))  # type: ignore[operator]
        told = stored_positions(volume.affine, volume.voxels.shape)[axis]
        np.testing.assert_allclose(volume.voxels, told, atol=1e-3)


@QUICK
@given(shape=shapes, seed=seeds)
def test_every_voxel_keeps_its_place_and_axes_become_ras(tmp_path: Path, shape: tuple[int, ...], seed: int) -> None:
    affine = random_affine(seed)
    assert_voxels_keep_their_places(read_nifti, tmp_path, shape, affine)
    volume = read_nifti(tmp_path / "place.nii")
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    assert volume.voxels.flags.c_contiguous
    assert volume.voxels.dtype == np.float32
    np.testing.assert_allclose(volume.spacing, np.linalg.norm(volume.affine[:3, :3], axis=0)[::-1])
    assert sorted(volume.spacing) == pytest.approx(sorted(np.linalg.norm(affine[:3, :3], axis=0)), rel=1e-5)


def test_the_property_sees_a_reader_that_forgets_the_flip(tmp_path: Path) -> None:
    def broken(path: Path) -> Volume:
        volume = read_nifti(path)
        return Volume(volume.voxels[:, :, ::-1], volume.affine)

    with pytest.raises(AssertionError):
        assert_voxels_keep_their_places(broken, tmp_path, (4, 5, 6), random_affine(1))


def test_known_flip() -> None:
    """An LPS file, worked out by hand: x and y are reversed, and the first voxel is where the last one was."""
    affine = np.diag([-1.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    image = nibabel.Nifti1Image(COUNTING, affine)
    image.set_sform(affine, 1)
    volume = decode_image(image.to_bytes(), Path("memory"))
    np.testing.assert_array_equal(volume.voxels, COUNTING[::-1, ::-1, :].transpose(2, 1, 0))
    np.testing.assert_allclose(volume.affine[:3, 3], (10 - 5, 20 - 8, 30))
    assert volume.spacing == (3.0, 2.0, 1.0)


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(COUNTING, AFFINE)
    image.header.set_slope_inter(0.5, -1024)
    image.set_sform(AFFINE, 1)
    image.to_filename(tmp_path / "scaled.nii")  # nibabel rescales what it is given: compare with its own reading
    expected = np.asarray(nibabel.load(tmp_path / "scaled.nii").dataobj)
    np.testing.assert_allclose(read_nifti(tmp_path / "scaled.nii").voxels, expected.transpose(2, 1, 0), rtol=1e-6)


def raw_nifti(path: Path, dtype: np.dtype, slope: float, intercept: float) -> Path:
    header = nibabel.Nifti1Header(endianness=">" if dtype.byteorder == ">" else "<")
    header.set_data_dtype(dtype)
    header.set_data_shape(COUNTING.shape)
    header.set_sform(AFFINE, 1)
    header.set_slope_inter(slope, intercept)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path.write_bytes(header.binaryblock + b"\0" * 4 + COUNTING.astype(dtype).tobytes(order="F"))
    return path


@pytest.mark.parametrize("kind", ["u1", "<i2", ">i2", "<i4", ">i4", "<i8", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (2.0, -1024.0)])
def test_every_number_type_and_byte_order(tmp_path: Path, kind: str, slope: float, intercept: float) -> None:
    volume = read_nifti(raw_nifti(tmp_path / "raw.nii", np.dtype(kind), slope, intercept))
    np.testing.assert_array_equal(volume.voxels, COUNTING.transpose(2, 1, 0) * slope + intercept)


def test_gzip_in_several_members_and_nifti_2(tmp_path: Path) -> None:
    plain = read_nifti(noise(tmp_path / "a.nii"))
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    np.testing.assert_array_equal(read_nifti(tmp_path / "b.nii.gz").voxels, plain.voxels)
    second = nibabel.Nifti2Image(plain.voxels.transpose(2, 1, 0), AFFINE)
    second.set_sform(AFFINE, 1)
    second.to_filename(tmp_path / "c.nii")
    np.testing.assert_array_equal(read_nifti(tmp_path / "c.nii").voxels, plain.voxels)


def test_trailing_axes_of_one_are_dropped_and_one_slice_is_a_volume(tmp_path: Path) -> None:
    save(tmp_path / "a.nii", COUNTING[..., None, None], AFFINE)
    assert read_nifti(tmp_path / "a.nii").shape == (4, 5, 6)
    save(tmp_path / "b.nii", COUNTING[..., 0], AFFINE)
    assert read_nifti(tmp_path / "b.nii").shape == (1, 5, 6)


def test_qform_alone_is_enough_and_metres_become_millimetres(tmp_path: Path) -> None:
    save(tmp_path / "q.nii", COUNTING, AFFINE, sform=0, qform=1)
    np.testing.assert_allclose(read_nifti(tmp_path / "q.nii").affine, AFFINE, atol=1e-6)
    image = nibabel.Nifti1Image(COUNTING, np.diag([0.001, 0.002, 0.003, 1]))
    image.set_sform(image.affine, 1)
    image.header.set_xyzt_units("meter")
    image.to_filename(tmp_path / "m.nii")
    np.testing.assert_allclose(read_nifti(tmp_path / "m.nii").spacing, (3, 2, 1), rtol=1e-6)


def shear(degrees: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[1, 2] = affine[2, 2] * np.tan(np.radians(degrees))
    return affine


def test_a_shear_of_rounding_size_passes(tmp_path: Path) -> None:
    assert read_nifti(save(tmp_path / "a.nii", COUNTING, shear(0.3))).affine[1, 2] > 0


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    file = noise(tmp_path / f"cut{suffix}", (20, 20, 20))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadInput, match=r"cut\.nii.*(truncated|is empty|no NIfTI)"):
        read_nifti(file)


def test_a_flipped_bit_in_a_compressed_file_is_seen(tmp_path: Path) -> None:
    file = noise(tmp_path / "bit.nii.gz", (20, 20, 20))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    with pytest.raises(BadInput, match="damaged"):
        read_nifti(file)


def with_numbers(values: list[float]) -> np.ndarray:
    voxels = COUNTING.astype(np.float32)
    voxels.reshape(-1)[: len(values)] = values
    return voxels


RGB = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
FLAT = AFFINE.copy()
FLAT[:3, 2] = FLAT[:3, 0] + FLAT[:3, 1]


@pytest.mark.parametrize(
    ("voxels", "affine", "message"),
    [
        (np.zeros((3, 3, 3, 7), np.int16), AFFINE, "4D with 7 volumes.*expected one 3D volume"),
        (np.zeros((3, 3, 3, 2, 3), np.int16), AFFINE, "5D with 6 volumes"),
        (with_numbers([np.nan, np.nan, np.inf]), AFFINE, "2 voxels are NaN and 1 infinite, of 120"),
        (np.full((3, 3, 3), 7, np.int16), AFFINE, "constant, every voxel is 7"),
        (COUNTING * 1e60, AFFINE, "0 voxels are NaN and 119 infinite"),
        (RGB, AFFINE, "RGB"),
        (COUNTING.astype(np.complex64), AFFINE, "complex64 numbers"),
        (COUNTING, np.diag([1.0, 0.0, 1.0, 1.0]), "cannot be inverted"),
        (COUNTING, FLAT, "cannot be inverted"),
        (COUNTING, np.diag([np.nan, 1.0, 1.0, 1.0]), "NaN or infinite numbers"),
        (COUNTING, shear(15), "sheared: two voxel axes meet at 75.0 degrees"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, voxels: np.ndarray, affine: np.ndarray, message: str) -> None:
    image = nibabel.Nifti1Image(voxels, None)
    image.header.set_sform(affine, 1)
    image.header["sform_code"] = 1
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    content = image.to_bytes()
    (tmp_path / "bad.nii").write_bytes(content)
    with pytest.raises(BadInput, match=f"bad.nii.*{message}") as caught:
        read_nifti(tmp_path / "bad.nii")
    assert len(caught.value.problems) == 1


def test_a_header_without_orientation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="neither sform nor qform"):
        read_nifti(save(tmp_path / "a.nii", COUNTING, AFFINE, sform=0, qform=0))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_nifti(tmp_path / "none.nii")
    with pytest.raises(BadInput, match="is a folder"):
        read_nifti(tmp_path)
    (tmp_path / "text.nii").write_text("patient,image\n" * 100)
    with pytest.raises(BadInput, match="is no NIfTI file"):
        read_nifti(tmp_path / "text.nii")
    nibabel.Nifti1Pair(COUNTING, AFFINE).to_filename(tmp_path / "pair.img")
    with pytest.raises(BadInput, match=r"\.hdr/\.img pair"):
        read_nifti(tmp_path / "pair.hdr")
    content = bytearray(noise(tmp_path / "type.nii").read_bytes())
    content[70:72] = (4321).to_bytes(2, "little")
    (tmp_path / "type.nii").write_bytes(content)
    with pytest.raises(BadInput, match=r"type\.nii: (its NIfTI header is damaged|voxels of an unknown type)"):
        read_nifti(tmp_path / "type.nii")


@QUICK
@given(seed=seeds)
def test_written_volumes_are_read_back(tmp_path: Path, seed: int) -> None:
    volume = read_nifti(noise(tmp_path / "a.nii", affine=random_affine(seed)))
    for name in ("b.nii", "b.nii.gz"):
        write_nifti(tmp_path / name, volume)
        again = read_nifti(tmp_path / name)
        np.testing.assert_array_equal(again.voxels, volume.voxels)
        np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)
        qform = nibabel.load(tmp_path / name).get_qform()
        np.testing.assert_allclose(qform, volume.affine, atol=1e-3)


def test_writing_keeps_the_asked_type_and_equal_volumes_make_equal_files(tmp_path: Path) -> None:
    labels = Volume(COUNTING.transpose(2, 1, 0), AFFINE)
    write_nifti(tmp_path / "a.nii.gz", labels, np.uint8)
    write_nifti(tmp_path / "b.nii.gz", labels, np.uint8)
    assert nibabel.load(tmp_path / "a.nii.gz").get_data_dtype() == np.uint8
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii.gz").voxels, labels.voxels)
