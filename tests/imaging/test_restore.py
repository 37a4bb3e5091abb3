"""From the stored grid back to the original one: phantoms that know their own position, and round trips."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from imaging_phantoms import QUICK, positions, random_affine, save, seeds, stored_positions
from scipy import ndimage

from medcl.imaging import between_grids
from medcl.imaging.between_grids import EDGE_VOXELS
from medcl.imaging.canonical import canonical
from medcl.imaging.fit import crop_or_pad
from medcl.imaging.nifti import read_nifti
from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.resample import resample
from medcl.imaging.restore import restored_classes, restored_labels
from medcl.imaging.volume import Volume

ROUNDING_MM = 1e-6
SHAPE = (7, 8, 9)

ORDERS = [
    (order, signs) for order in itertools.permutations(range(3)) for signs in itertools.product((1.0, -1.0), repeat=3)
]
"""All 48 ways in which axes run: axial, coronal, sagittal, each reversed along any axis."""


def turned(order: tuple[int, ...], signs: tuple[float, ...], tilt_seed: int | None = None) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, list(order)] * np.array(signs) * np.array([1.3, 0.8, 2.7])
    affine[:3, 3] = (12.0, -40.0, 7.5)
    if tilt_seed is not None:
        tilt = np.eye(4)
        tilt[:3, :3] = random_affine(tilt_seed)[:3, :3]
        tilt[:3, :3] /= np.linalg.norm(tilt[:3, :3], axis=0)
        affine = tilt @ affine
    return affine


@pytest.mark.parametrize("tilt", [None, 4])
@pytest.mark.parametrize(("order", "signs"), ORDERS)
def test_every_voxel_comes_back_to_its_own_place(
    order: tuple[int, ...], signs: tuple[float, ...], tilt: int | None
) -> None:
    affine = turned(order, signs, tilt)
    numbered = np.arange(1, np.prod(SHAPE) + 1, dtype=np.uint16).reshape(SHAPE)
    stored = crop_or_pad(canonical(numbered, affine), (5, 12, 7), affine[:3] @ (4.0, 3.0, 3.0, 1.0))
    back = restored_labels(stored, SHAPE, affine)
    there = np.isin(numbered, stored.voxels)
    assert 0 < there.sum() < numbered.size  # some were cut off
    assert np.array_equal(back.voxels, np.where(there, numbered, 0))
    places = stored_positions(affine, SHAPE)
    of_number = np.zeros((3, numbered.size + 1))
    of_number[:, stored.voxels.ravel()] = stored_positions(stored.affine, stored.shape).reshape(3, -1)
    assert np.abs(places - of_number[:, back.voxels])[:, there].max() < ROUNDING_MM


@QUICK
@given(seeds)
def test_a_plane_comes_back_where_it_was_on_any_two_grids(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stored, original = random_affine(seed), random_affine(seed + 1)
    original[:3, 3] = stored[:3] @ (4.5, 4.5, 4.5, 1) - original[:3, :3] @ (5, 5, 5)
    normal = rng.normal(size=3)
    height = float(normal @ (stored[:3] @ (4.5, 4.5, 4.5, 1)))

    def beside(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(np.tensordot(normal, stored_positions(affine, shape), 1) - height)

    steep = 0.5 / np.abs(beside(stored, (10, 10, 10))).max()  # linear everywhere, so that interpolation is exact
    second = (0.5 + steep * beside(stored, (10, 10, 10))).astype(np.float32)
    back = restored_classes(np.stack([1 - second, second]), stored, (11, 11, 11), original).voxels
    index = np.linalg.solve(stored, np.vstack([positions(original, (11, 11, 11)).reshape(3, -1), np.ones(11**3)]))[:3]
    inner = ((index > 0) & (index < 9)).all(axis=0).reshape(11, 11, 11).T
    outer = ((index < -1) | (index > 10)).any(axis=0).reshape(11, 11, 11).T
    truth = beside(original, (11, 11, 11))
    sure = inner & (np.abs(truth) * steep > 1e-4)
    assert sure.any()
    assert np.array_equal(back[sure], truth[sure] > 0)
    assert not back[outer].any()


def blobs(shape: tuple[int, int, int] = (20, 24, 28), seed: int = 0) -> np.ndarray:
    """(x, y, z) smooth label map of three classes."""
    rng = np.random.default_rng(seed)
    fields = np.stack([ndimage.gaussian_filter(rng.normal(size=shape), 3.0) for _ in range(3)])
    fields = np.concatenate([np.full((1, *shape), fields.std()), fields])
    labels = fields.argmax(axis=0).astype(np.uint8)
    for axis in range(3):
        labels.swapaxes(0, axis)[[0, 1, -2, -1]] = 0
    return labels


def one_hot(labels: np.ndarray, classes: int = 4) -> np.ndarray:
    return (labels == np.arange(classes)[:, None, None, None]).astype(np.float32)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return min(
        2 * ((first == k) & (second == k)).sum() / ((first == k).sum() + (second == k).sum()) for k in range(1, 4)
    )


@pytest.mark.parametrize(
    ("recipe", "least"),
    [
        (Recipe(size=(40, 40, 40)), 1.0),
        (Recipe(size=(40, 40, 40), roi="mask", margin=2.0), 1.0),
        (Recipe(size=(64, 64, 64), roi="mask", margin=3.0, spacing=(0.9, 0.9, 0.9)), 0.98),
        (Recipe(size=(64, 64, 64), spacing=(2.5, 1.7, 0.7)), 0.7),  # coarser than the blobs
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_labelled_phantom_survives_the_round_trip(tmp_path: Path, recipe: Recipe, least: float, seed: int) -> None:
    affine = random_affine(seed)
    affine[:3, :3] *= [1.0, 1.4, 1.9] / np.linalg.norm(affine[:3, :3], axis=0)
    labels = blobs(seed=seed)
    image = save(tmp_path / "i.nii", np.random.default_rng(0).normal(size=labels.shape).astype(np.float32), affine)
    prepared = prepare(image, save(tmp_path / "m.nii", labels, affine), recipe)
    assert prepared.labels is not None
    source = read_nifti(image)
    by_class = restored_classes(one_hot(prepared.labels), prepared.affine, source.shape, source.affine)
    by_label = restored_labels(Volume(prepared.labels, prepared.affine), source.shape, source.affine)
    for restored in (by_class, by_label):
        own = restored_labels(restored, labels.shape[::-1], np.float32(affine).astype(np.float64)).voxels
        assert dice(own, labels.T) >= least
        if least == 1:
            assert np.array_equal(own, labels.T)


def test_interpolated_classes_beat_the_nearest_label_from_a_coarse_grid() -> None:
    z, y, x = np.indices((30, 30, 30))
    ball = ((z - 14.3) ** 2 + (y - 15.1) ** 2 + (x - 13.7) ** 2 < 81).astype(np.float32)
    coarse = resample(Volume(ball, np.eye(4)), (3.0, 3.0, 3.0))
    soft = np.stack([1 - coarse.voxels, coarse.voxels])
    linear = restored_classes(soft, coarse.affine, ball.shape, np.eye(4)).voxels
    nearest = restored_labels(
        Volume((coarse.voxels > 0.5).astype(np.uint8), coarse.affine), ball.shape, np.eye(4)
    ).voxels
    wrong_linear, wrong_nearest = (int((found != ball).sum()) for found in (linear, nearest))
    assert wrong_linear < 0.6 * wrong_nearest


def test_what_lies_outside_of_the_stored_region_is_background() -> None:
    full = np.zeros((2, 4, 4, 4), np.float32)
    full[1] = 1.0  # foreground everywhere, up to the edge
    moved = np.eye(4)
    moved[:3, 3] = (2, 2, 2)
    for back in (
        restored_classes(full, moved, (8, 8, 8), np.eye(4)).voxels,
        restored_labels(Volume(full[1].astype(np.uint8), moved), (8, 8, 8), np.eye(4)).voxels,
    ):
        expected = np.zeros((8, 8, 8))
        expected[2:6, 2:6, 2:6] = 1
        assert np.array_equal(back, expected)
    moved[:3, 3] = 100
    assert not restored_classes(full, moved, (8, 8, 8), np.eye(4)).voxels.any()


@pytest.mark.parametrize("count", range(3, 14))
@pytest.mark.parametrize("spacing", [1.7, 2.0, 2.9, 4.0, 9.0])
def test_the_border_of_an_image_is_never_lost_to_rounded_shapes(count: int, spacing: float) -> None:
    ones = Volume(np.ones((count, count, count), np.uint8), np.eye(4))
    stored = resample(ones, (spacing,) * 3, order=0)
    assert restored_labels(stored, ones.shape, ones.affine).voxels.all()


def test_a_smaller_edge_would_lose_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EDGE_VOXELS == 0.75
    monkeypatch.setattr(between_grids, "EDGE_VOXELS", 0.5)
    with pytest.raises(AssertionError):
        test_the_border_of_an_image_is_never_lost_to_rounded_shapes(10, 4.0)


def test_slabs_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    soft = rng.dirichlet(np.ones(4), (6, 7, 8)).astype(np.float32).transpose(3, 0, 1, 2)
    stored, original = random_affine(7), random_affine(8)
    original[:3, 3] = stored[:3, 3]
    once = restored_classes(soft, stored, (20, 21, 22), original).voxels
    labels = Volume(soft.argmax(axis=0).astype(np.uint8), stored)
    nearest = restored_labels(labels, (20, 21, 22), original).voxels
    assert once.any()
    assert nearest.any()
    monkeypatch.setattr(between_grids, "SLAB_VOXELS", 50)
    assert np.array_equal(restored_classes(soft, stored, (20, 21, 22), original).voxels, once)
    assert np.array_equal(restored_labels(labels, (20, 21, 22), original).voxels, nearest)


def test_sure_background_is_left_out_and_nothing_else() -> None:
    """What is skipped for speed agrees with interpolating everything."""
    rng = np.random.default_rng(5)
    soft = rng.dirichlet(np.array([3.0, 1.0, 1.0]), (9, 9, 9)).astype(np.float32).transpose(3, 0, 1, 2).copy()
    soft[0, :4], soft[1:, :4] = 1.0, 0.0
    fine = np.diag([0.37, 0.41, 0.29, 1.0])
    found = restored_classes(soft, np.eye(4), (25, 20, 22), fine).voxels
    every = np.stack(
        [
            ndimage.affine_transform(
                each, np.diag([0.29, 0.41, 0.37]), output_shape=(25, 20, 22), order=1, mode="nearest"
            )
            for each in soft
        ]
    )
    assert np.array_equal(found, every.argmax(axis=0))


@pytest.mark.parametrize(("order", "signs"), ORDERS[::5])
def test_parallel_grids_give_what_the_general_way_gives(
    order: tuple[int, ...], signs: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    soft = rng.dirichlet(np.ones(3), (6, 7, 8)).astype(np.float32).transpose(3, 0, 1, 2)
    stored, original = turned((0, 1, 2), (1, 1, 1), 2), turned(order, signs, 2)
    original[:3, :3] *= 0.37
    original[:3, 3] = stored[:3] @ (3.4, 2.8, 2.7, 1) - original[:3, :3] @ (7, 7, 7)
    fast = restored_classes(soft, stored, (15, 14, 16), original).voxels
    assert len(np.unique(fast)) == 3
    monkeypatch.setattr(between_grids.Way, "parallel_axes", lambda way, shape: None)
    assert np.array_equal(restored_classes(soft, stored, (15, 14, 16), original).voxels, fast)


def test_a_single_slice_and_many_classes() -> None:
    labels = np.arange(300, dtype=np.uint16).reshape(1, 15, 20)
    soft = (labels == np.arange(300)[:, None, None, None]).astype(np.float32)
    back = restored_classes(soft, np.eye(4), (1, 15, 20), np.eye(4)).voxels
    assert back.dtype == np.uint16
    assert np.array_equal(back, labels)
