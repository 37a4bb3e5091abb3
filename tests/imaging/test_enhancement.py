"""What enhances is found in phantoms whose voxels tell where they lie, and maps back to the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from imaging_phantoms import AFFINE, QUICK, positions, random_affine, save, seeds, stored_positions

from medcl.imaging.enhancement import enhancing_part
from medcl.imaging.half import from_half
from medcl.imaging.prepare import Prepared, prepare, prepare_together
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

SHAPE = (30, 28, 26)
SIZE = (14, 14, 14)
BLOB, VESSEL = (slice(8, 16), slice(10, 17), slice(9, 15)), (slice(24, 27), slice(3, 6), slice(20, 23))
HALF_STEP = 2.0**-11
MOST_SMOOTHED = 4
"""Voxels of 1 mm by which smoothing by 2 mm may move the edge of the part."""


def phases(first: np.ndarray, gains: tuple[float, ...]) -> list[np.ndarray]:
    """The first image, and as many with a blob that enhances, and a smaller vessel that does so more."""
    images = [first.astype(np.float32)]
    for gain in gains:
        image = images[0].copy()
        image[BLOB] += gain
        image[VESSEL] += 2 * gain
        images.append(image)
    return images


def together(folder: Path, images: list[np.ndarray], affine: np.ndarray, recipe: Recipe) -> list[Prepared]:
    paths = [save(folder / f"{n}.nii", image, affine) for n, image in enumerate(images)]
    return prepare_together([Source(path).read() for path in paths], recipe)


@QUICK
@given(seed=seeds)
def test_a_crop_of_position_encoding_phases_maps_back(tmp_path: Path, seed: int) -> None:
    """Whatever the orientation: each stored voxel of the first phase holds the x, y or z that its affine tells."""
    affine = random_affine(seed)
    axis = seed % 3
    where = positions(affine, SHAPE)
    gain = 3 * float(np.ptp(where[axis]))
    recipe = Recipe(SIZE, roi="enhancement", margin=0.0)
    first, second = together(tmp_path, phases(where[axis], (gain,)), affine, recipe)
    halves = from_half(first.volume, np.empty(SIZE, np.float32)).astype(np.float64)
    scale = first.levels.high - first.levels.low
    there = stored_positions(first.affine, SIZE)
    inside = halves > 0  # padding and the least voxel are 0
    assert inside.sum() > 8
    told = first.levels.low + halves * scale
    np.testing.assert_allclose(told[inside], there[axis][inside], atol=HALF_STEP * scale + 1e-3)
    np.testing.assert_array_equal(first.affine, second.affine)
    middle = affine[:3, :3] @ [(part.start + part.stop - 1) / 2 for part in BLOB] + affine[:3, 3]
    stored_middle = there.mean(axis=(1, 2, 3))
    assert np.linalg.norm(stored_middle - middle) < 2 * np.linalg.norm(affine[:3, :3], axis=0).max()


def volume(image: np.ndarray, affine: np.ndarray = AFFINE) -> Volume:
    return Volume(np.ascontiguousarray(image.astype(np.float32).transpose(2, 1, 0)), affine)


def tissue(seed: int = 0) -> np.ndarray:
    """A body of noisy tissue in air."""
    rng = np.random.default_rng(seed)
    body = np.zeros(SHAPE)
    body[3:, 2:-2, 2:-2] = 300
    return body + rng.normal(0, 15, SHAPE)


def test_the_largest_part_is_taken_not_the_brightest() -> None:
    part = enhancing_part([volume(each, np.eye(4)) for each in phases(tissue(), (100.0, 250.0))]).voxels
    found = part.transpose(2, 1, 0)
    assert found[BLOB].all()
    assert not found[VESSEL].any()
    ends = [np.flatnonzero(found.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    for (low, high), blob in zip(ends, BLOB, strict=True):
        assert 0 <= blob.start - low <= MOST_SMOOTHED
        assert 0 <= high - (blob.stop - 1) <= MOST_SMOOTHED


@pytest.mark.parametrize("spacing", [1.0, 1.5])
def test_a_vessel_that_hangs_on_to_an_organ_is_left_away(spacing: float) -> None:
    """A cube with edges of 24 voxels, and a rod of 5 by 5 that leads from it to the image's end."""
    before = np.random.default_rng(0).normal(100, 5, (60, 40, 40)).astype(np.float32)
    after = before.copy()
    after[8:32, 8:32, 8:32] += 200
    after[32:, 18:23, 18:23] += 200
    affine = np.diag([spacing, spacing, spacing, 1.0])
    found = enhancing_part([volume(before, affine), volume(after, affine)]).voxels.transpose(2, 1, 0)
    for axis in range(3):
        low, high = np.flatnonzero(found.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]]
        assert abs(low - 8) <= MOST_SMOOTHED
        assert abs(high - 31) <= MOST_SMOOTHED + (8 / spacing if axis == 0 else 0), "the rod went on to 59"


def test_the_order_of_phases_does_not_matter() -> None:
    images = [volume(each, np.eye(4)) for each in phases(tissue(), (100.0, 250.0))]
    np.testing.assert_array_equal(enhancing_part(images).voxels, enhancing_part(images[::-1]).voxels)


@pytest.mark.parametrize("seed", range(3))
def test_noise_does_not_enhance(seed: int) -> None:
    body = tissue(seed)
    again = body + np.random.default_rng(seed + 9).normal(0, 15, SHAPE)
    with pytest.raises(BadInput, match="finds nothing that enhances between its 2 phases"):
        enhancing_part([volume(body, np.eye(4)), volume(again, np.eye(4))])
    pure = np.random.default_rng(seed).normal(100, 20, (2, *SHAPE))
    with pytest.raises(BadInput, match="finds nothing that enhances"):
        enhancing_part([volume(each) for each in pure])
    with pytest.raises(BadInput, match="finds nothing that enhances"):
        enhancing_part([volume(body), volume(body)])


def test_an_image_on_another_grid_is_cut_at_the_same_place(tmp_path: Path) -> None:
    coarse = np.diag([2.0, 2.0, 2.0, 1.0])
    coarse[:3, 3] = (1.0, -2.0, 3.0)
    paths = [save(tmp_path / f"{n}.nii", each, np.eye(4)) for n, each in enumerate(phases(tissue(), (250.0,)))]
    paths.append(save(tmp_path / "t2.nii", tissue(5), coarse))
    prepared = prepare_together(
        [Source(path).read() for path in paths], Recipe((8, 8, 8), roi="enhancement", spacing=(2.0, 2.0, 2.0))
    )
    middles = [stored_positions(each.affine, (8, 8, 8)).mean(axis=(1, 2, 3)) for each in prepared]
    assert np.linalg.norm(middles[2] - middles[0]) < 2 * np.sqrt(3)


def test_margins_widen_the_region(tmp_path: Path) -> None:
    shapes = [
        together(tmp_path, phases(tissue(), (250.0,)), np.diag([-1.0, 1.0, 1.0, 1.0]), recipe)[0].region_shape
        for recipe in (Recipe(SIZE, roi="enhancement", margin=mm) for mm in (0.0, 2.0))
    ]
    assert [b - a for a, b in zip(*shapes, strict=True)] == [4, 4, 4]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    moved = AFFINE.copy()
    moved[0, 3] = 1
    with pytest.raises(BadInput, match="no two of its 2 images are on one grid"):
        enhancing_part([volume(tissue()), volume(tissue(), moved)])
    image = save(tmp_path / "a.nii", tissue(), AFFINE)
    with pytest.raises(BadInput, match=r"a\.nii: --roi enhancement compares the phases of an exam"):
        prepare(image, None, Recipe(roi="enhancement"))


def test_an_image_far_from_what_enhances_is_refused(tmp_path: Path) -> None:
    far = AFFINE.copy()
    far[0, 3] = 500
    paths = [save(tmp_path / f"{n}.nii", each, AFFINE) for n, each in enumerate(phases(tissue(), (250.0,)))]
    paths.append(save(tmp_path / "far.nii", tissue(), far))
    with pytest.raises(BadInput, match=r"far\.nii: what enhances in its exam lies outside"):
        prepare_together([Source(path).read() for path in paths], Recipe(roi="enhancement"))


def test_what_changes_little_does_not_enhance_and_what_changes_much_does() -> None:
    """On either side of LEAST_GAIN: a change of 15 and one of 300 (half is left when smoothed) of a range of 350."""
    with pytest.raises(BadInput, match="finds nothing that enhances"):
        enhancing_part([volume(each, np.eye(4)) for each in phases(tissue(), (15.0,))])
    assert enhancing_part([volume(each, np.eye(4)) for each in phases(tissue(), (300.0,))]).voxels.any()
