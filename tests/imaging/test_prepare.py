"""From file to model-ready volume: the place of every voxel, the order of the steps, and what each option changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging_phantoms import AFFINE, QUICK, noise, positions, random_affine, save, seeds, stored_positions
from scipy.ndimage import gaussian_filter

from medcl.imaging.nifti import read_nifti
from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput

WINDOW = (-400.0, 400.0)
FLOAT16_MM = 800 * 2.0**-11
"""Rounding of a position in that window: float16 has 11 bits below 1."""

wide_shapes = st.tuples(*[st.integers(6, 14)] * 3)


@QUICK
@given(shape=wide_shapes, seed=seeds, roi=st.sampled_from(["whole", "mask", "centre"]))
def test_every_stored_voxel_tells_its_place(tmp_path: Path, shape: tuple[int, ...], seed: int, roi: str) -> None:
    """Three scans hold their own x, y and z; read, cut, cropped and padded, they still do, labels likewise."""
    affine = random_affine(seed)
    rng = np.random.default_rng(seed)
    places = positions(affine, shape)
    marked = tuple(slice(n // 3, n // 3 + 3) for n in shape)
    mask = np.zeros(shape, np.uint8)
    mask[marked] = 1
    centre = places[:, shape[0] // 2, shape[1] // 2, shape[2] // 2]
    recipe = Recipe(
        size=tuple(rng.integers(3, 16, 3).tolist()),
        roi=roi,
        margin=float(rng.uniform(1, 9)) if roi != "whole" else None,
        hu_window=WINDOW,
    )
    save(tmp_path / "mask.nii", mask, affine)
    for axis, values in enumerate(places):
        save(tmp_path / "place.nii", values.astype(np.float32), affine)
        made = prepare(tmp_path / "place.nii", tmp_path / "mask.nii", recipe, tuple(centre))
        assert made.labels is not None
        inside = made.volume > 0  # no place in the window's lower end
        told = stored_positions(made.affine, made.volume.shape)[axis]
        found = WINDOW[0] + made.volume.astype(np.float64) * (WINDOW[1] - WINDOW[0])
        np.testing.assert_allclose(found[inside], told[inside], atol=FLOAT16_MM)
        assert inside.any()
        everywhere = stored_positions(made.affine, made.volume.shape).reshape(3, -1)
        index = np.rint(np.linalg.solve(affine[:3, :3], everywhere - affine[:3, 3:])).astype(int)
        expected = np.all([(part.start <= i) & (i < part.stop) for part, i in zip(marked, index, strict=True)], axis=0)
        np.testing.assert_array_equal(made.labels.reshape(-1) == 1, expected & inside.reshape(-1))


@QUICK
@given(seed=seeds, factor=st.tuples(*[st.floats(0.5, 2.0)] * 3))
def test_resampled_volumes_tell_their_place(tmp_path: Path, seed: int, factor: tuple[float, float, float]) -> None:
    affine = random_affine(seed)
    shape = (16, 14, 15)
    spacing = tuple(np.multiply(read_nifti(noise(tmp_path / "a.nii", shape, affine=affine)).spacing, factor).tolist())
    recipe = Recipe(size=(8, 8, 8), spacing=spacing, hu_window=WINDOW)
    for axis, values in enumerate(positions(affine, shape)):
        made = prepare(save(tmp_path / "place.nii", values.astype(np.float32), affine), None, recipe)
        told = stored_positions(made.affine, made.volume.shape)[axis]
        found = WINDOW[0] + made.volume.astype(np.float64) * (WINDOW[1] - WINDOW[0])
        middle = (slice(3, 5),) * 3  # far from the border, where the voxel at the border counts for those beyond
        np.testing.assert_allclose(found[middle], told[middle], atol=FLOAT16_MM + 2e-3)


def smooth(path: Path, seed: int = 0, shape: tuple[int, ...] = (24, 20, 16)) -> Path:
    rng = np.random.default_rng(seed)
    voxels = gaussian_filter(rng.normal(size=shape), 2) * 4000 + 300
    return save(path, voxels.astype(np.int16), AFFINE)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    mask = np.zeros((24, 20, 16), np.uint8)
    mask[8:14, 6:15, 4:9] = 2
    return smooth(tmp_path / "image.nii"), save(tmp_path / "mask.nii", mask, AFFINE)


def test_the_steps_come_in_the_papers_order(files: tuple[Path, Path]) -> None:
    """Region, z-score, clip, rescale, then the size: statistics are the region's, padding is 0."""
    image, mask = files
    made = prepare(image, mask, Recipe(size=(7, 11, 8), roi="mask", margin=0.0))
    region = read_nifti(image).voxels[4:9, 6:15, 8:14].astype(np.float64)
    z = np.clip((region - region.mean()) / region.std(), -5, 5)
    expected = np.zeros((7, 11, 8))
    expected[1:6, 1:10, 1:7] = (z - z.min()) / (z.max() - z.min())
    np.testing.assert_allclose(made.volume, expected, atol=5e-4)
    box = np.zeros((7, 11, 8), bool)
    box[1:6, 1:10, 1:7] = True
    np.testing.assert_array_equal(made.labels, np.where(box, 2, 0))
    assert made.region_shape == (5, 9, 6)
    assert made.volume.dtype == np.float16


BASE = Recipe(size=(12, 16, 20), roi="mask", margin=4.0)
CENTRE = (10.0, 18.0, 20.0)


@pytest.mark.parametrize(
    "changed",
    [
        Recipe(size=(12, 16, 19), roi="mask", margin=4.0),
        Recipe(size=(12, 16, 20), roi="mask", margin=9.0),
        Recipe(size=(12, 16, 20), roi="mask"),
        Recipe(size=(12, 16, 20), roi="whole"),
        Recipe(size=(12, 16, 20), roi="centre"),
        Recipe(size=(12, 16, 20), roi="centre", margin=7.0),
        Recipe(size=(12, 16, 20), roi="mask", margin=4.0, spacing=(2.0, 2.0, 2.0)),
        Recipe(size=(12, 16, 20), roi="mask", margin=4.0, hu_window=(0.0, 500.0)),
        Recipe(size=(12, 16, 20), roi="mask", margin=4.0, hu_window=(0.0, 600.0)),
    ],
)
def test_every_option_changes_what_is_stored(files: tuple[Path, Path], changed: Recipe) -> None:
    one, other = (prepare(*files, recipe, CENTRE) for recipe in (BASE, changed))
    assert one.volume.shape != other.volume.shape or not np.array_equal(one.volume, other.volume)
    assert one.content == other.content, "the content is that of the source"


def test_another_centre_is_another_volume(files: tuple[Path, Path]) -> None:
    recipe = Recipe(size=(6, 6, 6), roi="centre")
    one, other = (prepare(*files, recipe, centre) for centre in (CENTRE, (14.0, 18.0, 20.0)))
    assert other.affine[0, 3] == one.affine[0, 3] + 4


def test_content_is_that_of_the_voxels_in_space_not_of_the_file(tmp_path: Path) -> None:
    recipe = Recipe(size=(4, 4, 4))
    plain = prepare(noise(tmp_path / "a.nii"), None, recipe)
    packed = prepare(noise(tmp_path / "b.nii.gz"), None, recipe)
    other = prepare(noise(tmp_path / "c.nii", seed=1), None, recipe)
    voxels = np.random.default_rng(0).normal(100, 20, (6, 5, 4)).astype(np.float32)
    flipped = AFFINE.copy()
    flipped[0, 0], flipped[0, 3] = -1, 5
    turned = prepare(save(tmp_path / "d.nii", voxels[::-1], flipped), None, recipe)
    assert plain.content == packed.content == turned.content
    assert plain.content != other.content


def test_intensities_are_those_of_the_source(tmp_path: Path) -> None:
    made = prepare(noise(tmp_path / "a.nii", (40, 40, 40)), None, Recipe(size=(4, 4, 4)))
    voxels = read_nifti(tmp_path / "a.nii").voxels
    levels = made.intensities
    assert (levels.low, levels.high) == (voxels.min(), voxels.max())
    assert (levels.q01, levels.median, levels.q99) == pytest.approx(np.quantile(voxels, (0.01, 0.5, 0.99)), abs=1)


def test_quantiles_do_not_walk_down_one_column(tmp_path: Path) -> None:
    """Half of each row is background; a step of whole rows would see nothing else."""
    voxels = np.zeros((128, 128, 64), np.float32)
    voxels[10:] = 50
    voxels[0, 0, 0] = 1
    levels = prepare(save(tmp_path / "a.nii", voxels, AFFINE), None, Recipe(size=(4, 4, 4))).intensities
    assert levels.median == 50
    assert levels.q01 == 0


def test_a_region_without_contrast_is_refused(tmp_path: Path) -> None:
    voxels = np.zeros((10, 10, 10), np.float32)
    voxels[0, 0, 0] = 1
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[5:8, 5:8, 5:8] = 1
    image, labels = save(tmp_path / "i.nii", voxels, AFFINE), save(tmp_path / "m.nii", mask, AFFINE)
    with pytest.raises(BadInput, match=r"i\.nii: the region of interest is constant, every voxel is 0"):
        prepare(image, labels, Recipe(roi="mask", margin=0.0))
    with pytest.raises(BadInput, match=r"--hu-window 10 20 leaves nothing.*run from 0 to 1"):
        prepare(image, labels, Recipe(hu_window=(10.0, 20.0)))


def test_faults_of_the_region_name_the_file(files: tuple[Path, Path]) -> None:
    with pytest.raises(BadInput, match=r"image\.nii: has no mask"):
        prepare(files[0], None, Recipe(roi="mask"))
    with pytest.raises(BadInput, match="lies outside the image"):
        prepare(*files, Recipe(roi="centre"), (900.0, 0.0, 0.0))


SIZE = (12, 24, 20)
STORED = {
    "by its own intensities": (Recipe(SIZE), "094b4c9b706b03a4", "b5845fe2fe8d48c5", "8f73add1c656c9fd"),
    "resampled": (Recipe(SIZE, spacing=(2, 2, 2)), "3e858a624ce89f75", "c8e50f84addd98bc", "d89e0b23296e6360"),
    "in a window": (Recipe(SIZE, hu_window=(100.0, 700.0)), "9acdac1ac101eda3", "37c2678aa4f4355a", "e184ecff6c4fb7b0"),
    "in a region": (Recipe(SIZE, roi="mask", margin=6.0), "bcc3b7378c3db2c7", "38c472f520f6c835", "38c472f520f6c835"),
}
CONTENT = ("787169a0588b4e5e", "874a048b31a0227c", "572a66dff79085f6")


@pytest.mark.parametrize("recipe", STORED)
@pytest.mark.parametrize("spikes", [0, 1, 2], ids=["nothing cut off", "the top cut off", "both ends cut off"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_what_is_stored_stays_the_same_to_the_last_bit(
    tmp_path: Path, recipe: str, spikes: int, dtype: type[np.number]
) -> None:
    """As of recipe format 1. Stores, cards and runs hold hashes of these bits: whoever changes them counts the format
    up; whoever makes preparing faster does not."""
    x, y, z = np.indices((24, 20, 16))
    voxels = (x * x * 3 + y * 7 * z + (x * 31 + y * 17 + z * 13) % 97 * 4).astype(dtype)
    for place, value in [((3, 4, 5), 30000), ((7, 2, 9), -30000)][:spikes]:
        voxels[place] = value
    mask = np.zeros(voxels.shape, np.uint8)
    mask[8:14, 6:15, 4:9] = 2
    image = save(tmp_path / "image.nii.gz", voxels, AFFINE)
    made = prepare(image, save(tmp_path / "mask.nii.gz", mask, AFFINE), STORED[recipe][0])
    assert hashlib.sha256(made.volume.tobytes()).hexdigest()[:16] == STORED[recipe][1 + spikes]
    assert made.content[:16] == CONTENT[spikes]
