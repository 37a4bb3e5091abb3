"""Masks as NIfTI: the image file's own grid, to the last field of the header."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from imaging_phantoms import random_affine, save

from medcl.imaging.nifti import read_nifti
from medcl.imaging.restore import restored_labels
from medcl.imaging.volume import Volume
from medcl.imaging.write_nifti import NiftiGrid, write_labels, write_values
from medcl.study.errors import BadInput

FIELDS = ("dim", "pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x")


def labels_on(grid: NiftiGrid, dtype: type = np.uint8) -> Volume:
    values = np.random.default_rng(0).integers(0, 200, grid.shape)
    return Volume(values.astype(dtype), grid.affine)


@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (2, 1), (4, 3)])
@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_mask_has_the_images_own_header_geometry(
    tmp_path: Path, sform: int, qform: int, name: str, seed: int
) -> None:
    image = save(
        tmp_path / name, np.random.default_rng(1).normal(size=(4, 5, 6)), random_affine(seed), sform=sform, qform=qform
    )
    grid = NiftiGrid.read(image)
    labels = labels_on(grid)
    write_labels(tmp_path / "mask.nii.gz", labels, grid)
    one, two = nibabel.load(image), nibabel.load(tmp_path / "mask.nii.gz")
    for field in FIELDS:
        assert np.array_equal(one.header[field], two.header[field]), field
    assert np.array_equal(one.affine, two.affine)
    assert two.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(two.dataobj).T, labels.voxels)
    assert np.array_equal(one.header.get_qform(coded=True)[1], qform)


def test_the_mask_lies_on_the_image_when_medcl_reads_both(tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).normal(size=(4, 5, 6)).astype(np.float32)
    image = save(tmp_path / "image.nii", voxels, random_affine(11))
    source, grid = read_nifti(image), NiftiGrid.read(image)
    bright = Volume((source.voxels > 0.5).astype(np.uint8), source.affine)
    write_labels(tmp_path / "mask.nii", restored_labels(bright, grid.shape, grid.affine), grid)
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "mask.nii").dataobj), voxels > 0.5)
    again = nibabel.load(tmp_path / "mask.nii")
    assert np.allclose(again.affine, grid.affine)


def test_units_axes_of_length_one_nifti2_and_byte_order_stay(tmp_path: Path) -> None:
    for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
        image = kind(np.zeros((4, 5, 6, 1), np.int16), np.diag([0.002, 0.003, 0.004, 1.0]))
        image.header.set_xyzt_units("meter", "sec")
        image.to_filename(tmp_path / "image.nii.gz")
        grid = NiftiGrid.read(tmp_path / "image.nii.gz")
        assert np.allclose(np.diag(grid.affine), [2, 3, 4, 1])
        assert grid.shape == (6, 5, 4)
        write_labels(tmp_path / "mask.nii.gz", labels_on(grid, np.uint16), grid)
        mask = nibabel.load(tmp_path / "mask.nii.gz")
        assert type(mask) is kind
        assert mask.shape == (4, 5, 6, 1)
        assert mask.get_data_dtype() == np.uint16
        assert mask.header.get_xyzt_units() == ("meter", "sec")
    big = nibabel.Nifti1Image(np.zeros((4, 5, 6), ">i2"), random_affine(2), nibabel.Nifti1Header(endianness=">"))
    big.to_filename(tmp_path / "big.nii")
    grid = NiftiGrid.read(tmp_path / "big.nii")
    write_labels(tmp_path / "mask.nii", labels_on(grid), grid)
    assert np.array_equal(nibabel.load(tmp_path / "mask.nii").affine, nibabel.load(tmp_path / "big.nii").affine)


def test_texts_of_the_header_do_not_go_on(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4))
    image.header["descrip"], image.header["db_name"], image.header["aux_file"] = b"Doe^Jane", b"Doe^Jane", b"Doe^Jane"
    image.header["intent_name"] = b"Doe^Jane"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    image.to_filename(tmp_path / "image.nii")
    assert b"Doe" in (tmp_path / "image.nii").read_bytes()
    grid = NiftiGrid.read(tmp_path / "image.nii")
    write_labels(tmp_path / "mask.nii.gz", labels_on(grid), grid)
    assert b"Doe" not in gzip.decompress((tmp_path / "mask.nii.gz").read_bytes())


def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    image = save(tmp_path / "image.nii", np.zeros((4, 5, 6), np.float32), np.eye(4))
    grid = NiftiGrid.read(image)
    with pytest.raises(ValueError, match="grid"):
        write_labels(tmp_path / "mask.nii", Volume(np.zeros((4, 5, 6), np.uint8), np.eye(4)), grid)
    with pytest.raises(ValueError, match="float32"):
        write_labels(tmp_path / "mask.nii", Volume(np.zeros((6, 5, 4), np.float32), np.eye(4)), grid)
    assert list(tmp_path.iterdir()) == [image]
    (tmp_path / "text.nii").write_text("no image")
    with pytest.raises(BadInput, match="no NIfTI file"):
        NiftiGrid.read(tmp_path / "text.nii")
    with pytest.raises(BadInput, match="cannot be read"):
        NiftiGrid.read(tmp_path / "missing.nii")


def test_values_lie_on_the_image_in_full_precision(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), random_affine(5))
    image.header.set_slope_inter(2.0, -1024)  # how the source's numbers are packed is no matter of the values
    image.to_filename(tmp_path / "image.nii")
    grid = NiftiGrid.read(tmp_path / "image.nii")
    values = Volume(np.random.default_rng(0).normal(-50, 300, grid.shape).astype(np.float32), grid.affine)
    write_values(tmp_path / "values.nii.gz", values, grid, "medcl translation, HU")
    again = nibabel.load(tmp_path / "values.nii.gz")
    assert np.array_equal(again.get_fdata(dtype=np.float32).T, values.voxels)
    assert np.array_equal(again.affine, nibabel.load(tmp_path / "image.nii").affine)
    assert again.header["descrip"].item() == b"medcl translation, HU"
    with pytest.raises(ValueError, match="float64"):
        write_values(tmp_path / "values.nii", Volume(values.voxels.astype(float), grid.affine), grid, "")
