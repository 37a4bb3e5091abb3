"""Whole abdomens: honest affines, the same bytes for the same seed, true Hounsfield units, organs where they belong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from medcl.imaging.simulate.abdomen_anatomy import LEFT_KIDNEY, LIVER, ORGANS, RIGHT_KIDNEY, SPLEEN
from medcl.imaging.simulate.abdomen_ct_mr import Abdomen, AbdomenImage, draw_abdomen, render_abdomen
from medcl.imaging.simulate.abdomen_session import ABDOMEN_SCANNERS
from medcl.imaging.simulate.coil import Receiver
from medcl.imaging.simulate.ct_detector import Detector
from medcl.imaging.simulate.grid import Grid
from medcl.imaging.simulate.segmentation_floor import atlas_dice, best_band, centred
from medcl.imaging.simulate.turbo_spin_echo import SpinEchoProtocol

COARSE = 4.0
PATIENTS = 10

MOST_BY_BAND = {LIVER: 0.8, RIGHT_KIDNEY: 0.65, LEFT_KIDNEY: 0.65, SPLEEN: 0.65}
"""No band of intensities, not even the best for each image and organ, may reach this mean Dice in CT or in MR."""


def place_of(image: AbdomenImage, value: int) -> np.ndarray:
    """Where an organ lies in the scanner, RAS+ mm."""
    return (image.affine @ np.append(np.argwhere(image.labels == value).mean(axis=0), 1.0))[:3]


@pytest.fixture(scope="module")
def patients() -> list[tuple[Abdomen, AbdomenImage]]:
    drawn = [draw_abdomen(0, number, COARSE) for number in range(1, PATIENTS + 1)]
    return [(abdomen, render_abdomen(abdomen)) for abdomen in drawn]


Patients = list[tuple[Abdomen, AbdomenImage]]


def one(patients: Patients, sequence: str) -> tuple[Abdomen, AbdomenImage]:
    return next(each for each in patients if each[0].person.sequence == sequence)


def test_ct_and_mr_are_of_different_people_in_turns(patients: Patients) -> None:
    kinds = [abdomen.person.modality for abdomen, _ in patients]
    assert kinds == ["ct", "mr"] * (PATIENTS // 2)
    assert [each.person.sequence for each, _ in patients[:4]] == ["portal", "t2", "unenhanced", "t2"]
    assert len({abdomen.person.weight for abdomen, _ in patients}) == PATIENTS


def test_every_image_holds_all_organs_whole(patients: Patients) -> None:
    for abdomen, image in patients:
        assert image.voxels.shape == image.labels.shape
        assert image.voxels.dtype == np.int16
        assert set(np.unique(image.labels)) == {0, *ORGANS}
        for axis in range(3):
            ends = np.take(image.labels, [0, -1], axis=axis)
            assert not ends.any(), f"patient {abdomen.person.number}, axis {axis}"


def test_right_is_right_and_the_liver_lies_over_the_right_kidney(patients: Patients) -> None:
    for _, image in patients:
        liver, right, left, spleen = (place_of(image, value) for value in (LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN))
        assert right[0] > left[0] + 60  # x of RAS+ grows to the patient's right
        assert liver[0] > spleen[0] + 80
        assert liver[2] > right[2]
        assert liver[1] > max(right[1], left[1])


def test_a_landmark_stays_where_it_is_however_the_scan_is_stored(patients: Patients) -> None:
    abdomen, image = patients[0]
    grid = abdomen.session.grid
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = grid.shape[0] - 1
    turned = replace(abdomen, session=replace(abdomen.session, grid=Grid(grid.shape, grid.affine @ flip)))
    flipped = render_abdomen(turned)
    for value in ORGANS:
        np.testing.assert_allclose(place_of(flipped, value), place_of(image, value), atol=0.5)
    wrong = replace(flipped, affine=image.affine)
    assert np.abs(place_of(wrong, LIVER) - place_of(image, LIVER)).max() > 20


def test_the_same_seed_gives_the_same_image_and_another_does_not(patients: Patients) -> None:
    for number in (1, 2):
        _, image = patients[number - 1]
        again, other = (render_abdomen(draw_abdomen(seed, number, COARSE)) for seed in (0, 1))
        assert image.voxels.tobytes() == again.voxels.tobytes()
        assert image.labels.tobytes() == again.labels.tobytes()
        assert image.voxels.tobytes() != other.voxels.tobytes()


def test_every_stream_of_random_numbers_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy takes (0, 1) and (0, 1, 0) for one key."""
    first_draws = []
    make = np.random.default_rng

    def watched(key: object) -> np.random.Generator:
        first_draws.append(make(key).random())  # type: ignore[arg-type]
        return make(key)  # type: ignore[arg-type]

    monkeypatch.setattr(np.random, "default_rng", watched)
    for number in (1, 2):
        render_abdomen(draw_abdomen(0, number, 8.0))
    assert len(first_draws) == len(set(first_draws)) == 6


def test_masks_have_the_volumes_of_the_truth(patients: Patients) -> None:
    for abdomen, image in patients:
        unit = float(abdomen.session.grid.spacing.prod()) / 1000
        counted = {value: float((image.labels == value).sum()) * unit for value in ORGANS}
        assert counted[LIVER] == pytest.approx(image.volumes[LIVER], rel=0.03)
        for value in (RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN):
            assert counted[value] == pytest.approx(image.volumes[value], rel=0.15)


def test_anatomy_varies_and_stays_plausible(patients: Patients) -> None:
    volumes = np.array([[image.volumes[value] for value in ORGANS] for _, image in patients])
    spread = volumes.std(axis=0) / volumes.mean(axis=0)
    assert (spread > [0.10, 0.08, 0.08, 0.25]).all()
    assert (volumes > [600, 70, 70, 40]).all()
    assert (volumes < [3200, 330, 330, 900]).all()
    places = np.array([place_of(image, SPLEEN) - place_of(image, LIVER) for _, image in patients])
    assert (places.std(axis=0) > 5).all()


def within(image: AbdomenImage, value: int) -> np.ndarray:
    """Voxels well inside an organ."""
    inside = binary_erosion(image.labels == value, iterations=1)
    assert inside.sum() > 20
    return image.voxels[inside]


@pytest.mark.parametrize("sequence", ["unenhanced", "portal"])
def test_organs_measure_their_hounsfield_units(patients: Patients, sequence: str) -> None:
    abdomen, image = one(patients, sequence)
    assert float(np.median(within(image, LIVER))) == pytest.approx(abdomen.signal["liver"], abs=5)
    assert float(np.median(within(image, SPLEEN))) == pytest.approx(abdomen.signal["spleen"], abs=6)
    for kidney in (RIGHT_KIDNEY, LEFT_KIDNEY):
        low, high = sorted((abdomen.signal["medulla"], abdomen.signal["cortex"]))
        assert low - 12 < float(np.median(within(image, kidney))) < high + 12
    assert float(np.percentile(image.voxels, 2)) == pytest.approx(-1000, abs=40)
    assert image.voxels.max() > 300
    # Without noise, the commonest value between air and water is that of fat.
    assert isinstance(abdomen.device, Detector)
    clear = render_abdomen(replace(abdomen, device=replace(abdomen.device, dose=1e6))).voxels
    counts, edges = np.histogram(clear, bins=np.arange(-300, 0, 6))
    assert edges[counts.argmax()] + 3 == pytest.approx(abdomen.signal["fat"], abs=8)
    assert -120 < abdomen.signal["fat"] < -80


def test_the_noise_in_the_liver_follows_the_dose(patients: Patients) -> None:
    abdomen, _ = one(patients, "unenhanced")
    assert isinstance(abdomen.device, Detector)
    spread = []
    for dose in (0.25, 4.0):
        image = render_abdomen(
            replace(abdomen, device=replace(abdomen.device, dose=dose), belly=_without_veins(abdomen))
        )
        spread.append(float(within(image, LIVER).std()))
    assert spread[0] > 2.5 * spread[1]


def _without_veins(abdomen: Abdomen):  # type: ignore[no-untyped-def]
    return replace(abdomen.belly, liver=replace(abdomen.belly.liver, veins=(), cysts=()))


def test_in_mr_kidneys_and_spleen_are_brighter_than_the_liver(patients: Patients) -> None:
    ratios = []
    for abdomen, image in patients:
        if abdomen.person.modality == "mr":
            mean = {value: float(np.median(image.voxels[image.labels == value])) for value in ORGANS}
            kidneys = 0.5 * (mean[RIGHT_KIDNEY] + mean[LEFT_KIDNEY])
            ratios.append((kidneys / mean[LIVER], mean[SPLEEN] / mean[LIVER]))
            assert image.voxels.min() >= 0
    assert (np.mean(ratios, axis=0) > 1.5).all()


def test_the_order_of_organs_differs_between_the_modalities(patients: Patients) -> None:
    """What separates CT from MR is not a rising curve of intensity: the liver is above the spleen, then below it."""
    (native, _), (t2, _) = one(patients, "unenhanced"), one(patients, "t2")
    lean = 62.0
    assert lean > native.signal["spleen"] > native.signal["cortex"]
    assert t2.signal["liver"] < t2.signal["spleen"] < t2.signal["cortex"]


def test_no_band_of_intensities_gives_the_labels(patients: Patients) -> None:
    for modality in ("ct", "mr"):
        scores = [
            [best_band(image.voxels, image.labels == value) for value in ORGANS]
            for abdomen, image in patients
            if abdomen.person.modality == modality
        ]
        mean = dict(zip(ORGANS, np.mean(scores, axis=0), strict=True))
        for value, most in MOST_BY_BAND.items():
            assert mean[value] < most, f"{modality}: {ORGANS[value]} {mean[value]:.2f}"
        assert min(mean.values()) > 0.05  # something is there to be seen all the same


def test_without_their_neighbours_brightness_organs_would_be_too_easy(patients: Patients) -> None:
    """The check notices a simulator in which the liver shines alone."""
    abdomen, _ = patients[0]
    alone = {name: 110.0 if name in ("liver", "liver_vessel", "cyst") else -100.0 for name in abdomen.signal}
    image = render_abdomen(replace(abdomen, signal=alone))
    assert best_band(image.voxels, image.labels == LIVER) > MOST_BY_BAND[LIVER]


def test_place_alone_does_not_give_the_labels(patients: Patients) -> None:
    maps = []
    for abdomen, image in patients:
        axes = ABDOMEN_SCANNERS[abdomen.session.scanner].axes
        upright = image.labels[:, :: 1 if axes[1] == "P" else -1, :: 1 if axes[2] == "S" else -1]
        maps.append(centred(upright, tuple(abdomen.session.grid.spacing[:2]), size=64, slices=16, step=6.0))
    mean = atlas_dice(np.array(maps), np.arange(PATIENTS), tuple(ORGANS)).mean(axis=0)
    assert mean[0] < 0.85
    assert mean[1:].max() < 0.7


def test_anatomy_gives_the_labels(patients: Patients) -> None:
    """With other noise and other signals the masks are the same: they follow from the anatomy alone."""
    for abdomen, image in patients[:2]:
        signal = {name: -value for name, value in abdomen.signal.items()}
        again = render_abdomen(replace(abdomen, signal=signal))
        np.testing.assert_array_equal(again.labels, image.labels)
        assert (again.voxels != image.voxels).any()


@pytest.mark.parametrize("part", ["texture", "field", "breaths", "noise", "remaining"])
def test_every_nuisance_of_mr_changes_the_image(patients: Patients, part: str) -> None:
    abdomen, image = patients[1]
    assert isinstance(abdomen.device, Receiver)
    without = {
        "texture": replace(abdomen, texture=0.0),
        "field": replace(abdomen, field=(abdomen.field[0], 0.0)),
        "breaths": replace(abdomen, session=replace(abdomen.session, breaths=0 * abdomen.session.breaths)),
        "noise": replace(abdomen, device=replace(abdomen.device, noise=0.0)),
        "remaining": replace(abdomen, device=replace(abdomen.device, remaining=0.0)),
    }[part]
    assert (render_abdomen(without).voxels != image.voxels).mean() > 0.1


def test_scanners_are_of_both_sites_and_modalities() -> None:
    known = {(name[0], scanner.site) for name, scanner in ABDOMEN_SCANNERS.items()}
    assert known == {("C", "north"), ("C", "south"), ("M", "north"), ("M", "south")}
    for name, scanner in ABDOMEN_SCANNERS.items():
        assert isinstance(scanner.protocol, SpinEchoProtocol) == name.startswith("M")
