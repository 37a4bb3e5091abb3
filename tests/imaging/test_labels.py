"""Label maps lie on their image's grid and hold whole numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from imaging_phantoms import AFFINE, noise, save

from medcl.imaging.labels import decode_labels
from medcl.imaging.nifti import read_nifti
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

LABELS = np.random.default_rng(0).integers(0, 4, (6, 5, 4)).astype(np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Volume:
    return read_nifti(noise(tmp_path / "image.nii"))


def read(path: Path, image: Volume) -> Volume:
    return decode_labels(path.read_bytes(), path, image)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64])
def test_labels_are_whole_numbers_whatever_type_stores_them(tmp_path: Path, image: Volume, kind: type) -> None:
    labels = read(save(tmp_path / "m.nii.gz", LABELS.astype(kind), AFFINE), image)
    np.testing.assert_array_equal(labels.voxels, LABELS.transpose(2, 1, 0))
    assert labels.voxels.dtype == np.uint8


def test_large_labels_are_uint16_and_an_empty_mask_is_allowed(tmp_path: Path, image: Volume) -> None:
    large = read(save(tmp_path / "m.nii", LABELS.astype(np.int32) * 1000, AFFINE), image)
    assert large.voxels.dtype == np.uint16
    assert large.voxels.max() == 3000
    assert not read(save(tmp_path / "e.nii", LABELS * 0, AFFINE), image).voxels.any()


def test_a_mask_stored_in_another_orientation_is_the_same_grid(tmp_path: Path, image: Volume) -> None:
    flipped = AFFINE.copy()
    flipped[0, 0], flipped[0, 3] = -1, 5
    labels = read(save(tmp_path / "m.nii", LABELS[::-1], flipped), image)
    np.testing.assert_array_equal(labels.voxels, LABELS.transpose(2, 1, 0))


def test_another_grid_is_refused_with_both(tmp_path: Path, image: Volume) -> None:
    moved = AFFINE.copy()
    moved[2, 3] = 1.5
    with pytest.raises(BadInput, match=r"another grid.*Image: 4x5x6 .*\(0.00, 0.00, 0.00\).*Mask: .*0.00, 0.00, 1.50"):
        read(save(tmp_path / "m.nii", LABELS, moved), image)
    with pytest.raises(BadInput, match="Mask: 4x5x5 voxels"):
        read(save(tmp_path / "s.nii", LABELS[1:], AFFINE), image)


@pytest.mark.parametrize(
    ("voxels", "message"),
    [
        (LABELS - 1.0, "run from -1 to 2"),
        (LABELS * 30000.0, "to 90000, expected"),
        (LABELS / 3.0, "are no whole numbers"),
    ],
)
def test_other_numbers_are_refused(tmp_path: Path, image: Volume, voxels: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(save(tmp_path / "m.nii", voxels.astype(np.float32), AFFINE), image)
