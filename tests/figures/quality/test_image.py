from __future__ import annotations

from dataclasses import replace

from medcl.figures.quality.image import joined, judged, worst_first
from tests.figures.quality.quality_cases import cohort


def test_names_leave_out_what_is_missing() -> None:
    assert joined("P1", "", "water") == "P1 · water"
    image = cohort(1)[0]
    assert (image.exam, image.name) == ("P0 · D15", "P0 · D15 · water")


def test_a_planted_outlier_comes_first_and_its_twin_has_none() -> None:
    images = cohort(12, odd={7: 0.8})
    assert worst_first(images)[0] == 7
    assert next(iter(images[7].outlying)) == "mean"
    twin = cohort(12)
    assert not any(image.outlying for image in twin)
    assert worst_first(twin) == list(range(12))


def test_the_farther_outlier_comes_first() -> None:
    images = cohort(20, odd={5: 0.75, 11: 0.95})
    assert worst_first(images)[:2] == [11, 5]


def test_warnings_come_after_outliers_and_before_the_rest() -> None:
    images = cohort(12, odd={7: 0.8})
    images[9] = replace(images[9], warnings=("Look.",))
    assert worst_first(images)[:3] == [7, 9, 0]


def test_sequences_are_compared_among_themselves() -> None:
    images = cohort(20)
    bright = cohort(20, odd=dict.fromkeys(range(20), 0.8), sequence="arterial")
    both = [*images, *bright]
    found = judged([i.patient for i in both], [i.entry for i in both], [i.measured for i in both])
    assert not any(image.outlying for image in found)
    mixed = [replace(image.entry, sequence="water") for image in both]
    lone = judged([i.patient for i in both[:21]], mixed[:21], [i.measured for i in both[:21]])
    assert lone[20].outlying


def test_what_is_odd_about_a_source_is_a_warning_too() -> None:
    plain = cohort(2)
    lines, found = [image.entry for image in plain], [image.measured for image in plain]
    images = judged(["A", "B"], lines, found, [("Looks mirrored.",), ()])
    assert [image.warnings for image in images] == [("Looks mirrored.",), ()]


def test_no_images_no_findings() -> None:
    assert judged([], [], []) == []
