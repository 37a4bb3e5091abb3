"""The cohort in numbers, counted by hand."""

from __future__ import annotations

from imaging_phantoms import AFFINE

from medcl.imaging.fingerprint import cohort_fingerprint
from medcl.imaging.recipe import Recipe
from medcl.imaging.stored_volume import StoredVolume


def entry(patient: str, exam: str, sequence: str, depth: int, high: float) -> StoredVolume:
    return StoredVolume(
        case=f"{patient}_{exam}_{sequence}",
        patient=patient,
        exam=exam,
        sequence=sequence,
        modality="mr",
        site="",
        file="volumes/a.npy",
        label_file="labels/a.npy" if depth > 10 else "",
        shape=(8, 8, 8),
        spacing=(3.0, 2.0, 1.0),
        affine=tuple(AFFINE.ravel()),
        content=f"{patient}{exam}{sequence}",
        label_content="",
        recipe="r",
        key="k",
        source_shape=(depth, 20, 30),
        source_spacing=(depth / 10, 1.0, 1.0),
        region_shape=(depth, 20, 30),
        low=0.0,
        q01=1.0,
        median=2.0,
        q99=3.0,
        high=high,
    )


def test_counts_and_spreads() -> None:
    entries = [
        entry("P1", "D15", "water", 10, 100.0),
        entry("P1", "D15", "fat", 20, 300.0),
        entry("P1", "M3", "water", 30, 200.0),
        entry("P2", "M3", "water", 40, 900.0),
    ]
    found = cohort_fingerprint(entries, Recipe(), [{"case": "P3", "problem": "truncated"}])
    assert (found["images"], found["patients"], found["exams"]) == (4, 2, 3)
    assert found["images_by_exam"] == {"D15": 2, "M3": 2}
    assert found["images_by_sequence"] == {"fat": 1, "water": 3}
    assert found["images_with_labels"] == 3
    assert found["stored"]["shapes"] == {"8 8 8": 4}
    assert found["source"]["shape"] == {"least": [10, 20, 30], "median": [25, 20, 30], "greatest": [40, 20, 30]}
    assert found["source"]["intensities"]["high"] == {"least": 100, "median": 250, "greatest": 900}
    assert found["left_out"] == [{"case": "P3", "problem": "truncated"}]


def test_no_image_at_all() -> None:
    assert cohort_fingerprint([], Recipe())["images"] == 0
