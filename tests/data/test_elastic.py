"""The elastic field: its spline against SciPy's, its bounds, and what it does to images and labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from scipy.ndimage import map_coordinates

from medcl.data import warp as warp_file
from medcl.data.augment import Draws, apply, apply_with_labels, draw
from medcl.data.augmentation import Augmentation
from medcl.data.elastic import POINTS, displacements
from medcl.data.views import unmoved, view_matrices

STILL = Augmentation(flip_probability=0, affine_probability=0, blur_probability=0, noise_probability=0)
ELASTIC = replace(STILL, elastic=2.5)
SIZES = [(1, 24, 20), (3, 16, 18)]
COUNT = 6


def drawn(settings: Augmentation, count: int = COUNT) -> Draws:
    return draw(1, 2, np.arange(count), settings)


def images(size: tuple[int, int, int], count: int = COUNT) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(0))


def field(points: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """(2, H, W) of one image's points, by SciPy's B-splines."""
    knots = np.arange(-3, POINTS + 1)
    places = [(np.arange(n) + 0.5) / n * (POINTS - 3) for n in size]
    rows = BSpline(knots, points.numpy().transpose(1, 0, 2), 3)(places[0])  # (H, 2, POINTS)
    return BSpline(knots, rows.transpose(2, 1, 0), 3)(places[1]).transpose(1, 2, 0)


def test_the_field_is_scipys_cubic_b_spline() -> None:
    points = drawn(ELASTIC).points
    found = displacements(points, (24, 20))
    for number in range(COUNT):
        np.testing.assert_allclose(found[number], field(points[number], (24, 20)), atol=1e-12)


def test_points_are_drawn_up_to_the_largest_displacement_and_none_goes_further() -> None:
    points = drawn(replace(STILL, elastic=4.0), 400).points
    assert points.shape == (400, 2, POINTS, POINTS)
    assert -4 <= points.min() < -3.99
    assert 3.99 < points.max() < 4
    assert abs(points.mean().item()) < 0.05
    assert displacements(points, (30, 40)).abs().max() < 4
    same = torch.full((1, 2, POINTS, POINTS), 3.0, dtype=torch.float64)
    torch.testing.assert_close(displacements(same, (9, 12)), torch.full((1, 2, 9, 12), 3.0, dtype=torch.float64))


def test_the_field_is_smooth() -> None:
    there = displacements(drawn(ELASTIC).points, (96, 96))
    space = 96 / (POINTS - 3)
    for axis in (2, 3):
        assert there.diff(dim=axis).abs().max() < 2 * 2.5 / space + 1e-9


@pytest.mark.parametrize(("part", "folds"), [(0.48, False), (3.0, True)])
def test_nothing_folds_up_to_the_known_bound(part: float, folds: bool) -> None:
    size = 64
    largest = part * size / (POINTS - 3)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (200, 2, POINTS, POINTS))
    there = displacements(torch.from_numpy(largest * signs), (size, size))
    y_y, x_y = there[:, :, 1:, :-1].sub(there[:, :, :-1, :-1]).unbind(1)
    y_x, x_x = there[:, :, :-1, 1:].sub(there[:, :, :-1, :-1]).unbind(1)
    area = (1 + y_y) * (1 + x_x) - y_x * x_y
    assert (area.min().item() < 0) == folds


@pytest.mark.parametrize("size", SIZES)
def test_images_and_labels_are_read_where_the_field_points_in_voxels(size: tuple[int, int, int]) -> None:
    draws, before = drawn(ELASTIC), images(size).double()
    marks = (before * 6).to(torch.uint8)
    after, marked, views = apply_with_labels(before, marks, draws)
    assert marked is not None
    assert torch.equal(views, unmoved(COUNT)), "views tell the affine part only"
    inside = np.stack(np.meshgrid(*(np.arange(n, dtype=float) for n in size), indexing="ij"))
    for number in range(COUNT):
        y, x = field(draws.points[number], size[1:])
        at = inside + np.stack([np.zeros_like(y), y, x])[:, None]
        smooth = map_coordinates(before[number, 0].numpy(), at, order=1, mode="grid-constant")
        np.testing.assert_allclose(after[number, 0], smooth, atol=1e-9)
        nearest = map_coordinates(marks[number, 0].numpy(), at, order=0, mode="grid-constant")
        assert (marked[number, 0].numpy() == nearest).mean() > 0.999, "half-way places may round either way"
    assert not torch.allclose(before, after, atol=1e-2)


@pytest.mark.parametrize("size", SIZES)
def test_labels_stay_whole_and_on_their_structures(size: tuple[int, int, int]) -> None:
    """Of an image that is its own label map; after the move both still show the same place."""
    y, x = torch.meshgrid(*(torch.arange(n) for n in size[1:]), indexing="ij")
    disc = ((y - size[1] / 2) ** 2 + (x - size[2] / 2) ** 2 < 30).to(torch.uint8).expand(COUNT, 1, *size) * 5
    after, marked, _ = apply_with_labels(disc.float(), disc, drawn(replace(ELASTIC, flip_probability=0.5)))
    assert marked is not None
    assert set(marked.unique().tolist()) == {0, 5}
    assert not torch.equal(marked, disc)
    assert ((after > 2.51) <= (marked == 5)).double().mean() > 0.99
    assert ((after < 2.49) <= (marked == 0)).double().mean() > 0.99
    unmoved_labels = ((after > 2.5) == (disc == 5)).double().mean()
    assert ((after > 2.5) == (marked == 5)).double().mean() > unmoved_labels, "the twin: labels that stay behind"


def test_a_volumes_slices_move_alike() -> None:
    picture = torch.rand(1, 1, 1, 16, 18, generator=torch.Generator().manual_seed(3))
    draws = drawn(ELASTIC, 1)
    stack = apply(picture.expand(1, 1, 5, 16, 18), draws)
    torch.testing.assert_close(stack, apply(picture, draws).expand(1, 1, 5, 16, 18), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_the_field_comes_on_top_of_the_affine_part_in_one_interpolation(size: tuple[int, int, int]) -> None:
    turned = replace(STILL, flip_probability=1.0, affine_probability=1.0, crop=(0.6, 0.9))
    plain, bent = drawn(turned), drawn(replace(turned, elastic=2.0))
    views = view_matrices(bent, size)
    assert torch.equal(views, view_matrices(plain, size))
    z, y, x = torch.meshgrid(*((2 * torch.arange(n).double() + 1) / n - 1 for n in size), indexing="ij")
    points = torch.stack([x, y, z, torch.ones_like(x)])
    pointed = torch.einsum("mij,jzyx->mizyx", views, points)
    there = displacements(bent.points, size[1:])
    for axis, (place, moved) in enumerate(((x, there[:, 1] * 2 / size[2]), (y, there[:, 0] * 2 / size[1]))):
        expected = pointed[:, axis] + moved[:, None]
        shown = apply(place.expand(COUNT, 1, *size), bent)[:, 0]
        limits = [1 - 1 / n for n in size[::-1]]
        inside = torch.stack(
            [
                (pointed[:, 0] + (there[:, 1] * 2 / size[2])[:, None]).abs() <= limits[0],
                (pointed[:, 1] + (there[:, 0] * 2 / size[1])[:, None]).abs() <= limits[1],
                pointed[:, 2].abs() <= limits[2],
            ]
        ).all(dim=0)
        assert inside.double().mean() > 0.3
        assert (shown - expected)[inside].abs().max() < 1e-9


def test_each_image_is_deformed_with_its_probability() -> None:
    draws = drawn(replace(ELASTIC, elastic_probability=0.3), 2000)
    assert draws.bent.double().mean().item() == pytest.approx(0.3, abs=0.03)
    always = drawn(ELASTIC, 2000)
    assert torch.equal(draws.points[draws.bent], always.points[draws.bent])
    assert not drawn(replace(ELASTIC, elastic_probability=0.0)).bent.any()


@pytest.mark.parametrize("size", SIZES)
def test_an_image_does_not_depend_on_its_batch(size: tuple[int, int, int]) -> None:
    settings = replace(Augmentation(), elastic=2.0, elastic_probability=0.5)
    keys, marks = np.arange(12), (images(size, 12) * 6).to(torch.uint8)
    whole, whole_marks, _ = apply_with_labels(images(size, 12), marks, draw(0, 0, keys, settings))
    order = [7, 2, 11]
    part, part_marks, _ = apply_with_labels(images(size, 12)[order], marks[order], draw(0, 0, keys[order], settings))
    torch.testing.assert_close(part, whole[order], atol=1e-6, rtol=0)
    assert whole_marks is not None
    assert part_marks is not None
    assert torch.equal(part_marks, whole_marks[order])


def test_those_that_are_not_deformed_stay_bit_for_bit_beside_those_that_are() -> None:
    settings = replace(STILL, affine_probability=0.5)
    seldom = replace(settings, elastic=2.0, elastic_probability=0.4)
    draws = drawn(seldom, 12)
    still = ~draws.bent
    assert (still & draws.affine).any()
    assert (still & ~draws.affine).any()
    assert draws.bent.any()
    before = images((3, 16, 18), 12)
    assert torch.equal(apply(before, draws)[still], apply(before, drawn(settings, 12))[still])


def test_images_that_are_sampled_in_turns_keep_their_own_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    draws, before = drawn(ELASTIC), images((3, 16, 18))
    together = apply(before, draws)
    monkeypatch.setattr(warp_file, "CHUNK_VOXELS", 2 * before[0].numel())
    assert torch.equal(apply(before, draws), together)
