"""What is odd is told, and what is not odd is not."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from imaging_phantoms import AFFINE, save

from medcl.imaging.labels import decode_labels
from medcl.imaging.nifti import read_nifti
from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.suspicions import suspicions, voxel_axes, without_paths

HU = np.random.default_rng(0).choice([-1000.0, -100.0, 40.0, 1200.0], (12, 10, 8)).astype(np.float32)
MASK = np.zeros(HU.shape, np.uint8)
MASK[3:6, 3:6, 3:6] = 1
FLIPPED = np.diag([-1.0, 1.0, 1.0, 1.0])


def told(image: Path, mask: Path | None = None, modality: str = "") -> list[str]:
    source = Source(image, mask, modality=modality)
    contents = source.read()
    volume = read_nifti(image)
    labels = None
    if mask is not None and contents.mask is not None:
        labels = decode_labels(contents.mask, mask, volume)
    return suspicions(contents, volume, labels)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_good_ct_with_a_good_mask_is_not_odd(tmp_path: Path, name: str) -> None:
    image, mask = save(tmp_path / name, HU, AFFINE, qform=1), save(tmp_path / f"m{name}", MASK, AFFINE)
    assert told(image, mask, "ct") == []


@pytest.mark.parametrize(
    ("voxels", "what"),
    [
        (HU + 1024, "without fat"),
        (HU / 1200, "were scaled"),
        (np.where(HU < -500, -50_000, HU), "beyond any Hounsfield unit"),
        (np.where(HU > 500, 60_000, HU), "beyond any Hounsfield unit"),
    ],
)
def test_a_ct_that_is_not_in_hu_is_odd_and_an_mr_is_not(tmp_path: Path, voxels: np.ndarray, what: str) -> None:
    image = save(tmp_path / "a.nii.gz", voxels.astype(np.float32), AFFINE)
    (sentence,) = told(image, modality="ct")
    assert what in sentence
    assert "a.nii.gz: is a CT whose values run from" in sentence
    assert told(image, modality="mr") == told(image) == []


@pytest.mark.parametrize("least", [-3024.0, -1024.0])
def test_fill_values_of_scanners_are_hu(tmp_path: Path, least: float) -> None:
    image = save(tmp_path / "a.nii", np.where(HU == -1000, least, HU).astype(np.float32), AFFINE)
    assert told(image, modality="ct") == []


@pytest.mark.parametrize("affine", [np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])])
def test_an_affine_without_geometry_is_odd(tmp_path: Path, affine: np.ndarray) -> None:
    (sentence,) = told(save(tmp_path / "a.nii.gz", HU, affine))
    assert "that of no geometry" in sentence
    moved = affine.copy()
    moved[0, 3] = 3
    assert told(save(tmp_path / "b.nii.gz", HU, moved)) == []


def two_geometries(path: Path, qform: np.ndarray, qcode: int = 1) -> Path:
    image = nibabel.Nifti1Image(HU, AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(qform, qcode)
    image.to_filename(path)
    return path


def test_sform_and_qform_are_compared(tmp_path: Path) -> None:
    (mirrored,) = told(two_geometries(tmp_path / "a.nii", AFFINE @ FLIPPED))
    assert "mirror images of each other" in mirrored
    moved = AFFINE.copy()
    moved[1, 3] = 0.6
    (apart,) = told(two_geometries(tmp_path / "b.nii", moved))
    assert "at different places" in apart
    assert told(two_geometries(tmp_path / "c.nii", moved, qcode=2)) == [], "another space may lie elsewhere"
    moved[1, 3] = 0.4
    assert told(two_geometries(tmp_path / "d.nii", moved)) == [], "less than half a voxel"


@pytest.mark.parametrize("factor", [0.1, 1000.0])
def test_voxels_in_another_unit_are_odd(tmp_path: Path, factor: float) -> None:
    affine = np.diag([*(AFFINE.diagonal()[:3] * factor), 1.0])
    (sentence,) = told(save(tmp_path / "a.nii", HU, affine))
    assert "another unit than mm" in sentence


@pytest.mark.parametrize(
    ("labels", "what"),
    [
        (np.zeros_like(MASK), "empty mask"),
        (np.ones_like(MASK), "labels every voxel"),
        (np.arange(MASK.size).reshape(MASK.shape).astype(np.int16), "holds 960 different labels; that looks like"),
    ],
)
def test_masks_that_are_no_label_maps_are_odd(tmp_path: Path, labels: np.ndarray, what: str) -> None:
    image, mask = save(tmp_path / "a.nii", HU, AFFINE), save(tmp_path / "m.nii", labels, AFFINE)
    (sentence,) = told(image, mask)
    assert what in sentence
    assert sentence.startswith(f"{mask}: ")


def test_the_image_given_as_its_own_mask_is_named_so(tmp_path: Path) -> None:
    image = save(tmp_path / "a.nii", np.arange(MASK.size).reshape(MASK.shape).astype(np.int16), AFFINE)
    (sentence,) = told(image, image)
    assert "those of the image" in sentence


def test_preparing_tells_of_oddities_too(tmp_path: Path) -> None:
    assert len(prepare(save(tmp_path / "a.nii", HU, np.eye(4)), None, Recipe(size=(4, 4, 4))).warnings) == 1
    assert prepare(save(tmp_path / "b.nii", HU, AFFINE), None, Recipe(size=(4, 4, 4))).warnings == ()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_axes_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    for affine, axes in ((AFFINE, "RAS"), (AFFINE @ FLIPPED, "LAS")):
        image = save(tmp_path / name, HU, affine)
        assert voxel_axes(image.read_bytes(), image) == axes
    assert voxel_axes(b"", tmp_path) == ""


def test_sentences_without_paths_name_no_file(tmp_path: Path) -> None:
    """The mask's path begins as the image's does, and the other way round."""
    for image, mask in (("a.nii", "a.nii.gz"), ("a.nii.gz", "a.nii")):
        source = Source(tmp_path / image, tmp_path / mask)
        told = without_paths([f"{source.image}: is odd.", f"{source.mask}: is an empty mask."], source)
        assert told == ("is odd.", "mask: is an empty mask.")
    assert without_paths(["b.nii: is odd."], Source(Path("b.nii"))) == ("is odd.",)
