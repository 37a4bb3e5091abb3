"""Whole exams: honest affines, the same bytes for the same seed, the right tissue in the right place and phase."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from medcl.imaging.simulate.allograft import COLLECTING, CORTEX, MEDULLA
from medcl.imaging.simulate.clinical import EXAMS
from medcl.imaging.simulate.grid import scan_grid
from medcl.imaging.simulate.session import SCANNERS, SEQUENCES
from medcl.imaging.simulate.transplant_mr import Exam, Image, draw_exam, draw_patient, render, tissue_signals

COARSE = 2.0

SAME_PLACE_MM = 0.7
"""A fifth of a voxel: what labelling by voxels may move the middle of a part."""


def exam_of(number: int, name: str = "M3", seed: int = 0, coarsen: float = COARSE) -> Exam:
    return draw_exam(draw_patient(seed, number), name, seed, coarsen)


def images_of(exam: Exam) -> dict[str, Image]:
    return {image.sequence: image for image in render(exam)}


def centroid(image: Image, part: int) -> np.ndarray:
    """Where a labelled part lies in the scanner, mm."""
    return (image.affine @ np.append(np.argwhere(image.labels == part).mean(axis=0), 1.0))[:3]


def test_an_exam_has_its_three_images_with_masks_on_the_same_grid() -> None:
    images = images_of(exam_of(1))
    assert tuple(images) == SEQUENCES
    for image in images.values():
        assert image.voxels.shape == image.labels.shape
        assert image.voxels.dtype == np.int16
        assert set(np.unique(image.labels)) == {0, CORTEX, MEDULLA, COLLECTING}


@pytest.mark.parametrize("name", ["D15", "M12"])
def test_the_same_seed_gives_the_same_images_and_another_does_not(name: str) -> None:
    first, again, other = (images_of(exam_of(2, name, seed)) for seed in (5, 5, 6))
    for sequence in SEQUENCES:
        assert first[sequence].voxels.tobytes() == again[sequence].voxels.tobytes()
        assert first[sequence].labels.tobytes() == again[sequence].labels.tobytes()
    assert (
        first["water"].voxels.shape != other["water"].voxels.shape
        or (first["water"].voxels != other["water"].voxels).any()
    )


def test_no_two_images_of_a_study_are_the_same() -> None:
    seen = [image.voxels.tobytes() for name in EXAMS for image in render(exam_of(3, name))]
    assert len(set(seen)) == len(seen) == 12


def test_noise_has_a_stream_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy takes (0, 1, 2) and (0, 1, 2, 0) for one key: no image may draw from its exam's stream."""
    first_draws = []
    make = np.random.default_rng

    def watched(key: object) -> np.random.Generator:
        first_draws.append(make(key).random())  # type: ignore[arg-type]
        return make(key)  # type: ignore[arg-type]

    monkeypatch.setattr(np.random, "default_rng", watched)
    images_of(exam_of(1))
    # Patient, exam, three images; the mottling's stream is the same for the three.
    assert len(first_draws) == 8
    assert len(set(first_draws)) == 6


@pytest.mark.parametrize("axes", [scanner.axes for scanner in SCANNERS.values()] + ["RAS", "PIR"])
def test_a_landmark_stays_where_it_is_however_the_scan_is_stored(axes: str) -> None:
    exam = exam_of(4)
    middle = (exam.session.placed("water") @ exam.pose[:, 3])[:3]
    found = {}
    for code in ("RAS", axes):
        spacing = tuple(4.0 if letter in "SI" else 3.5 for letter in code)
        shape = tuple(44 if letter in "SI" else 52 for letter in code)
        grid = scan_grid(code, shape, spacing, middle, np.eye(3))  # type: ignore[arg-type]
        image = images_of(replace(exam, session=replace(exam.session, grid=grid)))["water"]
        assert "".join(nibabel.aff2axcodes(image.affine)) == code
        found[code] = [centroid(image, part) for part in (CORTEX, MEDULLA, COLLECTING)]
    np.testing.assert_allclose(found["RAS"], found[axes], atol=SAME_PLACE_MM)


def test_a_wrong_affine_would_be_seen() -> None:
    image = images_of(exam_of(4))["water"]
    flipped = replace(image, affine=image.affine @ np.diag([-1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(centroid(image, MEDULLA), centroid(flipped, MEDULLA), atol=SAME_PLACE_MM)


def test_the_graft_is_where_and_as_large_as_the_truth_says() -> None:
    for number in range(1, 6):
        exam = exam_of(number, coarsen=1.0)
        image = next(iter(render(exam)))
        millilitres = np.abs(np.linalg.det(image.affine[:3, :3])) / 1000.0
        for part, tolerance in ((CORTEX, 0.10), (MEDULLA, 0.12)):
            assert (image.labels == part).sum() * millilitres == pytest.approx(exam.shape.volumes[part], rel=tolerance)
        middle = (exam.session.placed("water") @ exam.pose[:, 3])[:3]
        assert np.linalg.norm(centroid(image, CORTEX) - middle) < 15


def test_left_grafts_lie_left_and_right_ones_right() -> None:
    for number in range(1, 9):
        exam = exam_of(number)
        # +x is the patient's right hand side here as in RAS+ ("towards Right").
        assert np.sign(exam.pose[0, 3]) == exam.patient.side
    assert {exam_of(number).patient.side for number in range(1, 9)} == {-1.0, 1.0}


def test_a_patient_is_the_same_person_at_every_exam() -> None:
    patient = draw_patient(0, 7)
    exams = [draw_exam(patient, name, 0, COARSE) for name in EXAMS]
    assert len({exam.patient.recipient.donor_age for exam in exams}) == 1
    assert len({exam.visit.gfr for exam in exams}) == 4
    assert len({exam.session.receiver.gain for exam in exams}) == 4


def test_phases_light_up_the_right_parts() -> None:
    exam = exam_of(3, coarsen=1.0)
    mean = {
        sequence: {part: float(image.voxels[image.labels == part].mean()) for part in (CORTEX, MEDULLA, COLLECTING)}
        for sequence, image in images_of(exam).items()
    }
    assert mean["water"][CORTEX] > mean["water"][MEDULLA]
    assert mean["arterial"][CORTEX] > 1.4 * mean["arterial"][MEDULLA]
    assert mean["tubular"][MEDULLA] > mean["arterial"][MEDULLA]
    assert mean["tubular"][COLLECTING] > 2 * mean["arterial"][COLLECTING]


def test_gfr_drives_medulla_and_urine_against_the_vessels() -> None:
    exam = exam_of(3)
    ratios = []
    for filtration in (15.0, 40.0, 70.0, 100.0):
        signal = tissue_signals(replace(exam, graft=replace(exam.graft, filtration=filtration)), "tubular")
        ratios.append([signal[part] / signal["vein"] for part in ("medulla", "urine")])
    assert np.all(np.diff(ratios, axis=0) > 0)
    assert ratios[-1][0] > 1.8 * ratios[0][0]


def test_the_water_image_knows_nothing_of_filtration() -> None:
    exam = exam_of(3)
    more = replace(exam, graft=replace(exam.graft, filtration=2 * exam.graft.filtration))
    assert tissue_signals(exam, "water") == tissue_signals(more, "water")


def test_all_storage_orders_and_both_fields_occur() -> None:
    used = {exam_of(number, name).session.scanner for number in range(1, 13) for name in EXAMS}
    assert used == set(SCANNERS)
    assert len({scanner.axes for scanner in SCANNERS.values()}) == 4
    assert {scanner.protocol.field for scanner in SCANNERS.values()} == {1.5, 3.0}


def test_the_whole_graft_is_in_the_field_of_view() -> None:
    for number in range(1, 25):
        for name in ("D15", "M12"):
            labels = next(iter(render(exam_of(number, name, coarsen=3.0)))).labels
            index = np.argwhere(labels > 0)
            assert (index.min(axis=0) > 0).all()
            assert (index.max(axis=0) < np.array(labels.shape) - 1).all()
