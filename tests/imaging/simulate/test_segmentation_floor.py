"""Neither intensity nor place gives the labels of the simulated hearts, and both statistics find what they can."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from medcl.imaging.simulate.cardiac_mr import LEFT, MYOCARDIUM, RIGHT, draw_heart, render_heart
from medcl.imaging.simulate.cine_session import CINE_SCANNERS
from medcl.imaging.simulate.segmentation_floor import atlas_dice, best_band, centred, dice, largest_component

CLASSES = (RIGHT, MYOCARDIUM, LEFT)
PATIENTS, COARSE = 10, 4.0


def test_dice_of_hand_cases() -> None:
    first, second = np.zeros((2, 4), dtype=bool)
    first[:2], second[1:] = True, True
    assert dice(first, second) == pytest.approx(2 * 1 / 5)
    assert dice(first, first) == 1
    assert np.isnan(dice(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)))


def test_the_largest_component_is_kept() -> None:
    mask = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]], dtype=bool)
    assert largest_component(mask).sum() == 3
    assert largest_component(mask)[2, 3]
    assert not largest_component(np.zeros((3, 3), dtype=bool)).any()


def test_a_band_finds_what_a_band_can_find() -> None:
    random = np.random.default_rng(0)
    truth = np.zeros((30, 30, 4), dtype=bool)
    truth[10:20, 10:20] = True
    apart = np.where(truth, 100, 20) + random.normal(0, 3, truth.shape)
    assert best_band(apart, truth) > 0.97
    assert best_band(random.normal(0, 3, truth.shape), truth) < 0.35
    # A second, smaller thing of the same brightness is what the largest component is for.
    apart[25:, 25:] = 100
    assert best_band(apart, truth) > 0.97


def test_an_atlas_finds_what_stays_in_place() -> None:
    maps = np.zeros((6, 12, 12, 2), dtype=int)
    maps[:, 4:8, 4:8] = 1
    patients = np.array([1, 1, 2, 2, 3, 3])
    assert (atlas_dice(maps, patients, (1,)) == 1).all()
    moved = np.stack([np.roll(part, 4 * place, axis=0) for place, part in enumerate(maps[::2])])
    assert atlas_dice(moved, np.array([1, 2, 3]), (1,)).max() < 0.01


def test_maps_are_centred_on_the_field_of_view() -> None:
    labels = np.zeros((40, 60, 5), dtype=int)
    labels[19:21, 29:31] = 1
    labels[0, 0] = 2
    found = centred(labels, (2.5, 2.5), size=20, slices=10)
    assert found.shape == (20, 20, 10)
    assert (found[9:11, 9:11] == 1).all()
    assert found.sum() == 4 * 10
    wide = centred(labels, (2.5, 2.5), size=100, slices=5)
    assert (wide == 2).sum() == 5


@pytest.fixture(scope="module")
def scores() -> tuple[np.ndarray, np.ndarray]:
    """Dice of the best band, and of the atlas, by image and class."""
    bands, maps, patients = [], [], []
    for number in range(1, PATIENTS + 1):
        heart = draw_heart(0, number, COARSE)
        way = CINE_SCANNERS[heart.session.scanner].stored
        for image in render_heart(heart):
            bands.append([best_band(image.voxels, image.labels == value) for value in CLASSES])
            upright = image.labels[:: way[0], :: way[1], :: way[2]]
            maps.append(centred(upright, tuple(heart.session.grid.spacing[:2])))
            patients.append(number)
    return np.array(bands), atlas_dice(np.array(maps), np.array(patients), CLASSES)


def test_no_band_of_intensities_gives_the_labels(scores: tuple[np.ndarray, np.ndarray]) -> None:
    right, myocardium, left = scores[0].mean(axis=0)
    assert myocardium < 0.45
    assert right < 0.5
    assert left < 0.5
    # Something is there to be seen all the same.
    assert min(right, myocardium, left) > 0.05


def test_place_alone_does_not_give_the_labels(scores: tuple[np.ndarray, np.ndarray]) -> None:
    right, myocardium, left = scores[1].mean(axis=0)
    assert max(right, myocardium) < 0.4
    assert left < 0.55


def test_without_their_neighbours_brightness_hearts_would_be_too_easy() -> None:
    """The check notices a simulator in which blood shines alone."""
    heart = draw_heart(0, 1, COARSE)
    alone = {"left_blood": 1.0, "myocardium": 0.4}
    for signal in heart.signal.values():
        signal.update({name: alone.get(name, 0.02) for name in signal})
    image = next(iter(render_heart(heart)))
    assert best_band(image.voxels, image.labels == LEFT) > 0.6


def test_anatomy_gives_the_labels() -> None:
    """Drawn again with other noise, the masks are the same: they follow from the anatomy alone."""
    images = []
    for noise in (0.004, 0.05):
        heart = draw_heart(0, 2, COARSE)
        object.__setattr__(heart.session.receiver, "noise", noise)
        images.append(list(render_heart(heart)))
    for first, second in zip(*images, strict=True):
        assert (first.voxels != second.voxels).any()
        assert all(dice(first.labels == value, second.labels == value) == 1 for value in CLASSES)
    assert all((a.labels != b.labels).any() for a, b in pairwise(images[0]))
