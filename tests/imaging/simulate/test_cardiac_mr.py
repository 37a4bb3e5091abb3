"""Whole cine images: honest affines, the same bytes for the same seed, masks with the truth's volumes in place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.imaging.simulate.cardiac_mr import (
    LEFT,
    MYOCARDIUM,
    PHASES,
    RIGHT,
    CineImage,
    Heart,
    draw_heart,
    render_heart,
)
from medcl.imaging.simulate.grid import Grid
from medcl.imaging.simulate.heart_painting import paint_heart

COARSE = 2.0


def images_of(heart: Heart) -> dict[str, CineImage]:
    return {image.exam: image for image in render_heart(heart)}


def centroid(image: CineImage, value: int) -> np.ndarray:
    """Where a labelled part lies in the scanner, mm."""
    return (image.affine @ np.append(np.argwhere(image.labels == value).mean(axis=0), 1.0))[:3]


@pytest.fixture(scope="module")
def heart() -> Heart:
    return draw_heart(0, 1, COARSE)


@pytest.fixture(scope="module")
def images(heart: Heart) -> dict[str, CineImage]:
    return images_of(heart)


def test_both_phases_share_their_grid_and_hold_all_labels(images: dict[str, CineImage]) -> None:
    assert tuple(images) == PHASES
    for image in images.values():
        assert image.voxels.shape == image.labels.shape
        assert image.voxels.dtype == np.int16
        assert set(np.unique(image.labels)) == {0, RIGHT, MYOCARDIUM, LEFT}
    np.testing.assert_array_equal(images["ED"].affine, images["ES"].affine)
    assert (images["ED"].voxels != images["ES"].voxels).any()


def test_the_same_seed_gives_the_same_images_and_another_does_not(images: dict[str, CineImage]) -> None:
    again, other = images_of(draw_heart(0, 1, COARSE)), images_of(draw_heart(1, 1, COARSE))
    for exam in PHASES:
        assert images[exam].voxels.tobytes() == again[exam].voxels.tobytes()
        assert images[exam].labels.tobytes() == again[exam].labels.tobytes()
        assert images[exam].voxels.tobytes() != other[exam].voxels.tobytes()


def test_every_stream_of_random_numbers_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy takes (0, 1) and (0, 1, 0) for one key, and the groups' key must be no patient's."""
    first_draws = []
    make = np.random.default_rng

    def watched(key: object) -> np.random.Generator:
        first_draws.append(make(key).random())  # type: ignore[arg-type]
        return make(key)  # type: ignore[arg-type]

    monkeypatch.setattr(np.random, "default_rng", watched)
    for number in (1, 2, 3):
        images_of(draw_heart(0, number, 4.0))
    # Per patient: person, acquisition, two phases; and the order of the groups, the same for the first five patients.
    assert len(first_draws) == 15
    assert len(set(first_draws)) == 13


def test_masks_have_the_volumes_of_the_truth() -> None:
    """Mean over patients: single stacks miss by what their first and last slice cut."""
    ratios = []
    for number in range(1, 5):
        heart = draw_heart(0, number, COARSE)
        unit = float(heart.session.grid.spacing.prod()) / 1000
        for exam, image in images_of(heart).items():
            volumes = heart.beat.at(exam).volumes
            parts = ((RIGHT, "right"), (MYOCARDIUM, "wall"), (LEFT, "left"))
            ratios.append([(image.labels == value).sum() * unit / volumes[name] for value, name in parts])
    assert np.abs(np.array(ratios) - 1).max() < 0.13
    np.testing.assert_allclose(np.mean(ratios, axis=0), 1, atol=0.04)


def test_parts_lie_as_in_a_heart(heart: Heart, images: dict[str, CineImage]) -> None:
    to_heart = np.linalg.inv(heart.session.pose @ heart.pose)
    for image in images.values():
        left, wall, right = (to_heart @ np.append(centroid(image, v), 1) for v in (LEFT, MYOCARDIUM, RIGHT))
        assert np.hypot(*left[:2]) < 5
        assert np.hypot(*wall[:2]) < 8
        assert right[0] > 20
    assert (images["ES"].labels == LEFT).sum() < (images["ED"].labels == LEFT).sum()


def test_a_landmark_stays_where_it_is_however_the_scan_is_stored(heart: Heart, images: dict[str, CineImage]) -> None:
    grid = heart.session.grid
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = grid.shape[0] - 1
    turned = replace(heart, session=replace(heart.session, grid=Grid(grid.shape, grid.affine @ flip)))
    flipped = images_of(turned)["ED"]
    for value in (RIGHT, MYOCARDIUM, LEFT):
        np.testing.assert_allclose(centroid(flipped, value), centroid(images["ED"], value), atol=0.3)
    wrong = replace(flipped, affine=images["ED"].affine)
    assert np.abs(centroid(wrong, LEFT) - centroid(images["ED"], LEFT)).max() > 2


def test_blood_is_bright_in_both_ventricles_and_muscle_dark(images: dict[str, CineImage]) -> None:
    for image in images.values():
        mean = {value: float(image.voxels[image.labels == value].mean()) for value in (RIGHT, MYOCARDIUM, LEFT)}
        assert min(mean[RIGHT], mean[LEFT]) > 1.5 * mean[MYOCARDIUM]
        assert 0.55 < mean[RIGHT] / mean[LEFT] < 1.5


def test_papillary_muscles_are_dark_and_belong_to_the_cavity(heart: Heart, images: dict[str, CineImage]) -> None:
    image, shape = images["ED"], heart.beat.diastole
    angle = np.deg2rad(heart.look.papillary[0])
    ratio = []
    for across in (0.56, 0.0):
        w = shape.middle - 0.3 * shape.half
        place = heart.session.pose @ heart.pose
        spot = place @ [across * shape.radius * np.cos(angle), across * shape.radius * np.sin(angle), w, 1.0]
        index = np.rint((np.linalg.inv(image.affine) @ spot)[:3]).astype(int)
        assert image.labels[tuple(index)] == LEFT
        ratio.append(float(image.voxels[tuple(index)]))
    assert ratio[0] < 0.75 * ratio[1]


def test_the_whole_heart_is_in_the_field_of_view() -> None:
    for number in range(1, 6):
        labels = images_of(draw_heart(0, number, 4.0))["ED"].labels
        index = np.argwhere(labels > 0)
        assert (index[:, :2].min(axis=0) > 0).all()
        assert (index[:, :2].max(axis=0) < np.array(labels.shape[:2]) - 1).all()


def test_a_slice_beside_the_heart_holds_no_label(heart: Heart) -> None:
    from medcl.imaging.simulate.canvas import Canvas

    far = Grid((8, 8, 3), np.array([[2.0, 0, 0, 300], [0, 2, 0, 300], [0, 0, 2, 300], [0, 0, 0, 1]]))
    _, share = paint_heart(Canvas(far, heart.signal["ED"], edge=2.0), heart.beat.diastole, heart.look)
    assert all(part.sum() == 0 for part in share.values())


@pytest.mark.parametrize("part", ["ghost", "breaths", "field", "texture"])
def test_every_nuisance_changes_the_image(heart: Heart, images: dict[str, CineImage], part: str) -> None:
    session = heart.session
    without = {
        "ghost": replace(heart, session=replace(session, ghost=(0.0, 0.3))),
        "breaths": replace(heart, session=replace(session, breaths=np.zeros_like(session.breaths))),
        "field": replace(heart, session=replace(session, field=(0.0, 0.0, 0.0, 0.0, 0.0))),
        "texture": replace(heart, texture=0.0),
    }[part]
    assert (images_of(without)["ED"].voxels != images["ED"].voxels).mean() > 0.001
