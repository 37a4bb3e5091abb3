"""A view's map to the stored image, on images that tell where each voxel lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from medcl.data.augment import Draws, apply, apply_with_labels, draw
from medcl.data.augmentation import DENSE_VIEWS, Augmentation
from medcl.data.views import unmoved, view_matrices

MOVES = replace(DENSE_VIEWS, scale=0.2, noise_sd=0.0, gamma=0.0, brightness=0.0, contrast=0.0)
STILL = Augmentation(flip_probability=0, affine_probability=0, blur_probability=0, noise_probability=0)
SIZES = [(7, 14, 11), (1, 17, 12)]
COUNT = 12


def centres(length: int) -> torch.Tensor:
    """Places of the voxels' centres, where the image's borders are at -1 and 1."""
    return (2 * torch.arange(length, dtype=torch.float64) + 1) / length - 1


def drawn(settings: Augmentation, spacing: tuple[float, float, float] = (5.0, 0.8, 1.3)) -> Draws:
    return draw(0, 0, np.arange(COUNT), settings, np.tile(spacing, (COUNT, 1)))


def worst_error(draws: Draws, views: torch.Tensor, size: tuple[int, int, int]) -> float:
    """Largest distance between the place that a view's voxel shows and the place where its map points."""
    z, y, x = torch.meshgrid(*(centres(n) for n in size), indexing="ij")
    points = torch.stack([x, y, z, torch.ones_like(x)])
    pointed = torch.einsum("mij,jzyx->mizyx", views, points)
    limits = torch.tensor([1 - 1 / n for n in size[::-1]], dtype=torch.float64)  # outer voxels' centres
    inside = (pointed.abs() <= limits.view(1, 3, 1, 1, 1)).all(dim=1)
    if size[0] == 1:
        assert (pointed[:, 2] == 0).all()
    assert inside.double().mean() > 0.3
    worst = 0.0
    for axis, place in enumerate((x, y, z)):
        shown = apply(place.expand(COUNT, 1, *size), draws)[:, 0]
        worst = max(worst, float((shown - pointed[:, axis]).abs()[inside].max()))
    return worst


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.8, 1.3)])
def test_the_voxel_at_a_point_of_the_view_is_that_of_the_stored_image_where_the_map_points(
    size: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    draws = drawn(MOVES, spacing)
    assert worst_error(draws, view_matrices(draws, size), size) < 1e-12


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", ["spacing", "crop", "flip", "inverse"])
def test_a_wrong_map_is_noticed(size: tuple[int, int, int], fault: str) -> None:
    """The twins: maps that forget the spacing, cut out the mirrored box, do not mirror, or point the other way."""
    draws = drawn(MOVES)
    if fault == "spacing":
        views = view_matrices(replace(draws, spacing=torch.ones(COUNT, 3)), size)
    elif fault == "crop":
        views = view_matrices(replace(draws, centres=-draws.centres), size)
    elif fault == "flip":
        views = view_matrices(replace(draws, flip=torch.zeros(COUNT, dtype=torch.bool)), size)
    else:
        views = view_matrices(draws, size)
        views[:, :, :3] = torch.linalg.inv(views[:, :, :3])
    assert worst_error(draws, views, size) > 1e-2


def test_the_map_is_the_one_of_first_principles_in_mm() -> None:
    size, spacing = (7, 14, 11), np.array([5.0, 0.8, 1.3])
    draws = drawn(MOVES)
    half_mm = np.array(size[::-1]) * spacing[::-1] / 2
    for number, theta in enumerate(view_matrices(draws, size).numpy()):
        turn = Rotation.from_euler("xyz", draws.degrees[number].numpy(), degrees=True).as_matrix()
        mirror = np.diag([-1.0 if draws.flip[number] else 1.0, 1, 1])
        forward = turn @ np.diag(draws.scales[number].numpy()) @ mirror / draws.sides[number].item()
        for point in np.random.default_rng(number).uniform(-1, 1, (5, 3)):
            mm = np.linalg.solve(forward, point * half_mm) + draws.centres[number].numpy() * half_mm
            np.testing.assert_allclose(theta @ [*point, 1], mm / half_mm, atol=1e-13)


def test_what_is_not_moved_has_the_identity_and_a_mirrored_image_its_mirror() -> None:
    assert torch.equal(view_matrices(drawn(STILL), (4, 6, 8)), unmoved(COUNT))
    mirrored = view_matrices(drawn(replace(STILL, flip_probability=1.0)), (4, 6, 8))
    expected = unmoved(COUNT)
    expected[:, 0, 0] = -1
    assert torch.equal(mirrored, expected)


@pytest.mark.parametrize("size", SIZES)
def test_a_crop_lies_within_the_image_and_anywhere_in_it(size: tuple[int, int, int]) -> None:
    draws = draw(0, 0, np.arange(2000), replace(STILL, crop=(0.5, 0.9)))
    theta = view_matrices(draws, size)
    axes = 2 if size[0] == 1 else 3
    sides = theta[:, range(axes), range(axes)]
    assert (sides == sides[:, :1]).all()
    assert 0.5 <= sides.min() < 0.51
    assert 0.89 < sides.max() <= 0.9
    ends = torch.stack([theta[:, :axes, 3] - sides, theta[:, :axes, 3] + sides])
    assert ends.abs().max() <= 1 + 1e-12
    assert (ends[0] < -0.9).any(dim=0).all()
    assert (ends[1] > 0.9).any(dim=0).all()
    assert theta[:, :axes, 3].mean(dim=0).abs().max() < 0.02
    if size[0] == 1:
        assert torch.equal(theta[:, 2], unmoved(2000)[:, 2])


def test_a_quarter_of_an_image_by_hand() -> None:
    draws = draw(0, 0, np.arange(1), replace(STILL, crop=(0.5, 0.5)))
    draws = replace(draws, centres=torch.tensor([[0.5, -0.5, 0.0]], dtype=torch.float64))
    image = torch.arange(16.0).view(1, 1, 1, 4, 4)
    view = apply(image, draws)[0, 0, 0]
    # rows at y -0.25, 0.25, 0.75, 1.25 and columns at x 1.75, 2.25, 2.75, 3.25 of the voxels; outside is 0
    assert view[1, 1].item() == pytest.approx(0.25 * 4 + 2.25)
    assert view[2, 2].item() == pytest.approx(0.75 * 4 + 2.75)
    assert view[0, 1].item() == pytest.approx(0.75 * 2.25)


def test_labels_and_maps_come_from_the_same_draw_as_the_image() -> None:
    draws = drawn(MOVES)
    volumes = torch.rand(COUNT, 1, 4, 8, 8)
    labels = (volumes * 5).to(torch.uint8)
    moved, moved_labels, theta = apply_with_labels(volumes, labels, draws)
    assert torch.equal(moved, apply(volumes, draws))
    assert torch.equal(theta, view_matrices(draws, (4, 8, 8)))
    assert moved_labels is not None
    assert moved_labels.dtype == torch.uint8
    assert set(moved_labels.unique().tolist()) <= set(range(6))
