"""Regions of interest: which box is kept, and what comes to the middle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging_phantoms import QUICK, random_affine, seeds, stored_positions

from medcl.imaging.found_region import FoundRegion, found_region
from medcl.imaging.geometry import to_mm
from medcl.imaging.recipe import Recipe
from medcl.imaging.roi import MASK_MARGIN_MM, REGIONS, Known
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput
from medcl.workflows.preprocess import REGION_WORDS, PreprocessOptions

SHAPE = (20, 30, 40)
AFFINE = np.diag([1.0, 2.0, 4.0, 1.0])  # x, y, z: spacing (z, y, x) is 4, 2, 1
IMAGE = Volume(np.zeros(SHAPE, np.float32), AFFINE)


def mask(*slices: slice, affine: np.ndarray = AFFINE, shape: tuple[int, ...] = SHAPE) -> Volume:
    labels = np.zeros(shape, np.uint8)
    labels[slices] = 3
    return Volume(labels, affine)


def known(labels: Volume | None = None, centre: tuple[float, float, float] | None = None, **recipe: object) -> Known:
    return Known(IMAGE, labels, centre, Recipe(**recipe))  # type: ignore[arg-type]


def test_the_command_knows_every_region() -> None:
    assert {word.partition(":")[0] for word in REGION_WORDS} == set(REGIONS)
    for word in REGION_WORDS:
        assert PreprocessOptions(roi=word).roi == word


def test_the_whole_image() -> None:
    region = REGIONS["whole"](known())
    assert (region.low, region.high) == ((0, 0, 0), SHAPE)
    np.testing.assert_allclose(region.focus, (39 / 2, 29.0, 38.0))


def test_a_mask_and_its_margin() -> None:
    labels = mask(slice(8, 10), slice(10, 14), slice(5, 11))
    tight = REGIONS["mask"](known(labels, margin=0.0))
    assert (tight.low, tight.high) == ((8, 10, 5), (10, 14, 11))
    np.testing.assert_allclose(tight.focus, to_mm(AFFINE, (8.5, 11.5, 7.5)))
    wide = REGIONS["mask"](known(labels, margin=4.0))
    assert (wide.low, wide.high) == ((7, 8, 1), (11, 16, 15))
    odd = REGIONS["mask"](known(labels, margin=3.0))
    assert (odd.low, odd.high) == ((7, 8, 2), (11, 16, 14)), "rounded outwards"
    usual = REGIONS["mask"](known(labels))
    assert usual.low == REGIONS["mask"](known(labels, margin=MASK_MARGIN_MM)).low


@QUICK
@given(seed=seeds, margin=st.floats(0, 30))
def test_what_a_run_finds_is_cut_as_a_mask_is(seed: int, margin: float) -> None:
    rng = np.random.default_rng(seed)
    affine = random_affine(seed)
    low = rng.integers(0, 10, 3)
    labels = mask(*map(slice, low, low + rng.integers(1, 8, 3)), affine=affine)
    image = Volume(IMAGE.voxels, affine)
    by_mask = REGIONS["mask"](Known(image, labels, None, Recipe(roi="mask", margin=margin)))
    recipe = Recipe(roi="run:kidney", roi_weights="1", margin=margin)
    by_run = REGIONS[recipe.roi_kind](Known(image, None, None, recipe, found=found_region(labels)))
    assert (by_run.low, by_run.high) == (by_mask.low, by_mask.high)
    np.testing.assert_allclose(by_run.focus, by_mask.focus, atol=1e-6)


def test_a_run_that_finds_nothing_or_was_not_asked() -> None:
    with pytest.raises(BadInput, match=r"finds nothing in it .* --roi run:kidney finds no region"):
        REGIONS["run"](Known(IMAGE, None, None, Recipe(roi="run:kidney"), found=FoundRegion()))
    with pytest.raises(BadInput, match="needs what that run finds"):
        REGIONS["run"](known(roi="run:kidney"))


def test_a_region_that_the_image_cuts_off_keeps_its_middle() -> None:
    labels = mask(slice(0, 2), slice(0, 4), slice(0, 6))
    region = REGIONS["mask"](known(labels, margin=8.0))
    assert region.low == (0, 0, 0)
    np.testing.assert_allclose(region.focus, to_mm(AFFINE, (0.5, 1.5, 2.5)))


def test_a_centre_with_margin_and_with_size() -> None:
    centre = (20.0, 30.0, 40.0)  # voxel (10, 15, 20)
    box = REGIONS["centre"](known(centre=centre, margin=8.0))
    assert (box.low, box.high) == ((8, 11, 12), (13, 20, 29))
    np.testing.assert_allclose(box.focus, centre)
    sized = REGIONS["centre"](known(centre=centre, size=(3, 5, 7)))
    assert (sized.low, sized.high) == ((9, 13, 17), (12, 18, 24))
    resampled = REGIONS["centre"](known(centre=centre, size=(3, 5, 7), spacing=(4.0, 4.0, 4.0)))
    assert (resampled.low, resampled.high) == ((9, 11, 8), (12, 20, 33))


@QUICK
@given(seed=seeds, margin=st.floats(0, 30))
def test_the_mask_lies_inside_with_its_margin_or_the_image_ends(seed: int, margin: float) -> None:
    rng = np.random.default_rng(seed)
    affine = random_affine(seed)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
    low = rng.integers(0, 10, 3)
    high = low + rng.integers(1, 8, 3)
    labels = mask(*map(slice, low, high), affine=affine)
    image = Volume(IMAGE.voxels, affine)
    region = REGIONS["mask"](Known(image, labels, None, Recipe(roi="mask", margin=margin)))
    for axis in range(3):
        assert region.low[axis] == max(0, low[axis] - int(np.ceil(margin / spacing[axis] - 1e-6)))
        assert region.high[axis] == min(SHAPE[axis], high[axis] + int(np.ceil(margin / spacing[axis] - 1e-6)))
    places = stored_positions(affine, SHAPE)[:, *map(slice, low, high)]
    np.testing.assert_allclose(region.focus, places.reshape(3, -1).mean(axis=1), atol=1e-6)


def test_what_is_missing_is_said() -> None:
    with pytest.raises(BadInput, match=r"has no mask.*column mask"):
        REGIONS["mask"](known())
    with pytest.raises(BadInput, match="mask is empty"):
        REGIONS["mask"](known(mask(slice(0, 0))))
    with pytest.raises(BadInput, match=r"has no centre.*centre_x"):
        REGIONS["centre"](known())
    with pytest.raises(BadInput, match=r"\(20, 30, 400\) lies outside.*z 0.0 to 76.0 mm"):
        REGIONS["centre"](known(centre=(20.0, 30.0, 400.0)))
    REGIONS["centre"](known(centre=(-0.5, 0.0, 0.0)))  # the border of the first voxel is still inside
