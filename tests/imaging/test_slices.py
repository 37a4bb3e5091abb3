"""Slices: which axis they lie along, that every stored voxel maps back by the affine alone, and that none is added."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imaging_phantoms import AFFINE, QUICK, positions, random_affine, save, seeds, stored_positions

import medcl.imaging.slices as slices_module
from medcl.imaging.geometry import to_mm
from medcl.imaging.nifti import read_nifti
from medcl.imaging.prepare import Prepared, prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.resample import SAME_SPACING
from medcl.imaging.slices import plane_of, slices_first
from medcl.imaging.volume import Volume

WINDOW = (-400.0, 400.0)
FLOAT16_MM = 800 * 2.0**-11
PLANES = {"axial": (1.0, 1.2, 6.0), "coronal": (1.0, 6.0, 1.2), "sagittal": (6.0, 1.0, 1.2)}
"""Spacing along R, A, S of an image acquired in each plane."""


def acquired(plane: str, seed: int, tilt: float = 25.0) -> np.ndarray:
    """An oblique affine with permuted and flipped axes whose coarsest axis runs across a plane of the patient."""
    affine = random_affine(seed, tilt)
    axes = nibabel.orientations.io_orientation(affine)[:, 0].astype(int)
    units = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    affine[:3, :3] = units * np.array(PLANES[plane])[axes]
    return affine


def places(folder: Path, shape: tuple[int, ...], affine: np.ndarray, recipe: Recipe, **files: object) -> list[Prepared]:
    """Three scans that hold their own R, A and S in mm, prepared."""
    return [
        prepare(save(folder / "place.nii", values.astype(np.float32), affine), None, recipe, **files)  # type: ignore[arg-type]
        for values in positions(affine, shape)
    ]


def worst_mm(made: list[Prepared], low: float = 0.0) -> float:
    """How far any stored voxel, but those of the padding, lies from where the stored affine says."""
    told = stored_positions(made[0].affine, made[0].volume.shape)
    found = np.stack([WINDOW[0] + each.volume.astype(np.float64) * (WINDOW[1] - WINDOW[0]) for each in made])
    inside = np.all([each.volume > low for each in made], axis=0)
    assert inside.any()
    return float(np.abs(found - told)[:, inside].max())


@settings(QUICK, max_examples=15)
@given(
    plane=st.sampled_from(list(PLANES)),
    slices=st.sampled_from(["axial", "acquired"]),
    shape=st.tuples(*[st.integers(5, 12)] * 3),
    seed=seeds,
)
def test_every_voxel_of_a_slice_tells_its_place(
    tmp_path: Path, plane: str, slices: str, shape: tuple[int, ...], seed: int
) -> None:
    affine = acquired(plane, seed)
    wanted = np.random.default_rng(seed).integers(4, 14, 2).tolist()
    made = places(tmp_path, shape, affine, Recipe(size=(1, *wanted), slices=slices, hu_window=WINDOW))
    assert worst_mm(made) < FLOAT16_MM + 1e-6
    expected = plane if slices == "acquired" else "axial"
    assert plane_of(made[0].affine) == expected
    axis = ("sagittal", "coronal", "axial").index(expected)
    voxel_axis = nibabel.orientations.io_orientation(affine)[:, 0].tolist().index(axis)
    assert made[0].volume.shape == (shape[voxel_axis], *wanted), "no slice was cut off or added"


def test_a_broken_twin_whose_affine_stays_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(size=(1, 8, 8), slices="acquired", hu_window=WINDOW)
    whole = places(tmp_path, (8, 6, 9), acquired("coronal", 3), recipe)
    assert worst_mm(whole) < FLOAT16_MM + 1e-6

    def permuted_alone(volume: Volume, slices: str) -> Volume:
        return Volume(slices_module.slices_first(volume, slices).voxels, volume.affine)

    monkeypatch.setattr("medcl.imaging.prepare.slices_first", permuted_alone)
    assert worst_mm(places(tmp_path, (8, 6, 9), acquired("coronal", 3), recipe)) > 1


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [
        ((5.0, 1.0, 1.0), 0),
        ((1.0, 5.0, 1.0), 1),
        ((1.0, 1.0, 5.0), 2),
        ((1.0, 1.0, 1.0), 0),
        ((1.0, 1.0004, 1.0), 0),
        ((1.0, 5.0, 5.0), 0),
        ((1.0, 1.1, 1.0), 1),
    ],
)
def test_the_coarsest_axis_comes_first_and_ties_stay_axial(spacing: tuple[float, ...], axis: int) -> None:
    voxels = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    volume = Volume(voxels, np.diag([*spacing[::-1], 1.0]))
    turned = slices_first(volume, "acquired")
    assert turned.shape == (volume.shape[axis], *np.delete(volume.shape, axis))
    assert turned.spacing == (spacing[axis], *np.delete(spacing, axis))
    assert np.shares_memory(turned.voxels, voxels)
    for index in np.ndindex(turned.shape):
        place = np.linalg.solve(volume.affine, [*to_mm(turned.affine, index), 1])[:3][::-1]
        assert voxels[tuple(np.rint(place).astype(int))] == turned.voxels[index]
    assert slices_first(volume, "axial") is volume


@settings(QUICK, max_examples=15)
@given(seed=seeds, plane=st.sampled_from(list(PLANES)), factor=st.tuples(*[st.floats(0.6, 1.8)] * 2))
def test_slices_are_resampled_in_their_plane_alone(
    tmp_path: Path, seed: int, plane: str, factor: tuple[float, float]
) -> None:
    affine = acquired(plane, seed)
    image = save(tmp_path / "a.nii", positions(affine, (14, 14, 14))[0].astype(np.float32), affine)
    own = slices_first(read_nifti(image), "acquired").spacing
    wanted = (own[1] * factor[0], own[2] * factor[1])
    recipe = Recipe(size=(1, 6, 6), slices="acquired", slice_spacing=wanted, hu_window=WINDOW)
    made = places(tmp_path, (14, 14, 14), affine, recipe)
    assert made[0].volume.shape == (14, 6, 6)
    np.testing.assert_allclose(Volume(made[0].volume, made[0].affine).spacing, (6.0, *wanted), rtol=2 * SAME_SPACING)
    told = stored_positions(made[0].affine, made[0].volume.shape)[:, :, 2:4, 2:4]  # far from the border
    found = np.stack([WINDOW[0] + each.volume[:, 2:4, 2:4] * np.float64(WINDOW[1] - WINDOW[0]) for each in made])
    np.testing.assert_allclose(found, told, atol=FLOAT16_MM + 2e-3)


def test_labels_go_with_the_slices_and_a_mask_keeps_its_slices_alone(tmp_path: Path) -> None:
    affine = np.diag([1.0, 6.0, 1.0, 1.0])  # coronal
    voxels = np.random.default_rng(0).normal(100, 20, (12, 10, 14)).astype(np.float32)
    mask = np.zeros(voxels.shape, np.uint8)
    mask[3:6, 4:7, 5:9] = 2
    image, labels = save(tmp_path / "image.nii", voxels, affine), save(tmp_path / "mask.nii", mask, affine)
    whole = prepare(image, labels, Recipe(size=(1, 14, 12), slices="acquired"))
    assert whole.labels is not None
    np.testing.assert_array_equal(whole.labels, mask.transpose(1, 2, 0))
    cut = prepare(image, labels, Recipe(size=(1, 6, 6), slices="acquired", roi="mask", margin=7.0))
    assert cut.labels is not None
    assert cut.volume.shape == (7, 6, 6), "three slices with labels, and two within 7 mm (6 mm apart) on either side"
    np.testing.assert_array_equal(cut.labels.any(axis=(1, 2)), [False, False, True, True, True, False, False])
    assert cut.labels.sum() == mask.sum()


def test_a_mask_at_the_border_shifts_no_slice(tmp_path: Path) -> None:
    """The margin would reach beyond the image; the slices that are there stay, each where it was."""
    mask = np.zeros((9, 9, 5), np.uint8)
    mask[4:6, 4:6, 4] = 1
    labels = save(tmp_path / "mask.nii", mask, AFFINE)
    recipe = Recipe(size=(1, 4, 4), slices="axial", roi="mask", margin=7.0, hu_window=WINDOW)
    made = [
        prepare(save(tmp_path / "place.nii", values.astype(np.float32), AFFINE), labels, recipe)
        for values in positions(AFFINE, mask.shape)
    ]
    assert made[0].volume.shape == (4, 4, 4)
    assert worst_mm(made) < FLOAT16_MM + 1e-6
    assert made[0].labels is not None
    assert made[0].labels[-1].any()


def test_a_centre_without_margin_keeps_every_slice(tmp_path: Path) -> None:
    affine = acquired("axial", 5, tilt=0.0)
    centre = positions(affine, (11, 12, 13))[:, 3, 4, 5]
    recipe = Recipe(size=(1, 3, 3), slices="axial", roi="centre", hu_window=WINDOW)
    made = places(tmp_path, (11, 12, 13), affine, recipe, centre=tuple(centre))
    axis = nibabel.orientations.io_orientation(affine)[:, 0].tolist().index(2)
    assert made[0].volume.shape == ((11, 12, 13)[axis], 3, 3)
    middle = to_mm(made[0].affine, (0, 1, 1)), to_mm(made[0].affine, (1, 1, 1))
    across = (middle[1] - middle[0]) / np.linalg.norm(middle[1] - middle[0])
    offset = centre - middle[0]
    np.testing.assert_allclose(offset - across * (offset @ across), 0, atol=1e-3)


def test_the_source_is_the_same_whatever_is_stored(tmp_path: Path) -> None:
    """A run on slices must know an image again that a run on volumes has seen."""
    voxels = np.random.default_rng(0).normal(100, 20, (12, 10, 14)).astype(np.float32)
    image = save(tmp_path / "image.nii", voxels, np.diag([1.0, 6.0, 1.0, 1.0]))
    made = [
        prepare(image, None, recipe)
        for recipe in (Recipe(), Recipe(size=(1, 8, 8), slices="axial"), Recipe(size=(1, 8, 8), slices="acquired"))
    ]
    assert len({each.content for each in made}) == 1
    assert len({each.source_shape for each in made}) == len({each.source_spacing for each in made}) == 1
