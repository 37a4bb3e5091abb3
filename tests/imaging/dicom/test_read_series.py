"""Folders that users name themselves: one image, or a sentence that says what is there."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import PLANES, enhanced, lps_affine, noise, write_stack

from medcl.imaging.dicom.folder_bytes import folder_bytes
from medcl.imaging.dicom.read_series import read_dicom, read_series
from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.study.errors import BadInput

AXIAL = lps_affine(PLANES["axial"])
RECIPE = Recipe((4, 6, 5))


def test_several_series_are_refused(tmp_path: Path) -> None:
    write_stack(tmp_path / "a", noise(), AXIAL)
    write_stack(tmp_path / "b", noise(), AXIAL)
    with pytest.raises(BadInput, match="holds 2 images"):
        read_dicom(tmp_path)


def test_phases_are_one_series_but_no_3d_image(tmp_path: Path) -> None:
    enhanced(tmp_path / "f", np.stack([noise(), noise(seed=1)]), AXIAL, list(product(range(2), range(4))))
    assert read_series(tmp_path).voxels.shape == (2, 4, 6, 5)
    with pytest.raises(BadInput, match="holds 2 phases"):
        read_dicom(tmp_path)


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    write_stack(tmp_path, noise(6), AXIAL)[2].unlink()
    (tmp_path / "IM4").unlink()
    with pytest.raises(BadInput, match="missing slices: 2 of 6"):
        read_dicom(tmp_path)


@pytest.mark.parametrize(("name", "told"), [("text", "text: is no DICOM file"), ("", "it is empty")])
def test_folders_without_images(tmp_path: Path, name: str, told: str) -> None:
    if name:
        (tmp_path / name).write_text("x")
    with pytest.raises(BadInput, match=told):
        read_dicom(tmp_path)


def test_constant_images_are_refused(tmp_path: Path) -> None:
    write_stack(tmp_path, np.zeros((4, 6, 5), np.uint16), AXIAL)
    with pytest.raises(BadInput, match="every voxel is -300"):
        read_dicom(tmp_path)


def test_damaged_pixels_name_the_file(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(), AXIAL)
    content = paths[1].read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")  # RLE, it says
    paths[1].write_bytes(content)
    with pytest.raises(BadInput, match=r"IM1: its pixels are damaged or cannot be decoded \(RLE Lossless\)"):
        read_dicom(tmp_path)


def test_a_folder_is_prepared_as_a_nifti_file_of_the_same_voxels(tmp_path: Path) -> None:
    from medcl.imaging.nifti import write_nifti

    write_stack(tmp_path / "series", noise(), AXIAL)
    write_nifti(tmp_path / "same.nii.gz", read_dicom(tmp_path / "series"))
    folder, file = (prepare(tmp_path / name, None, RECIPE) for name in ("series", "same.nii.gz"))
    np.testing.assert_array_equal(folder.volume, file.volume)
    np.testing.assert_allclose(folder.affine, file.affine, atol=1e-5)
    assert folder.content == file.content


def test_the_key_of_a_folder_changes_with_any_of_its_files(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, noise(), AXIAL)
    before = Source(tmp_path).read().key(RECIPE)
    assert Source(tmp_path).read().key(RECIPE) == before
    content = bytearray(paths[2].read_bytes())
    content[-1] ^= 1
    paths[2].write_bytes(content)
    assert Source(tmp_path).read().key(RECIPE) != before
    assert len(folder_bytes(tmp_path)) == 4 * 32
