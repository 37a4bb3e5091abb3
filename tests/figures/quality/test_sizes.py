from __future__ import annotations

from dataclasses import dataclass

import pytest

from medcl.figures.quality.sizes import both_orders, recipe_facts, span, times
from medcl.imaging.recipe import Recipe


def test_both_orders() -> None:
    assert both_orders((24, 32.5, 40)) == "24 × 32.5 × 40 (z y x) = 40 × 32.5 × 24 (x y z)"
    assert times((3.0, 0.75, 0.75)) == "3 × 0.75 × 0.75"


def test_spans_are_one_number_where_all_agree() -> None:
    assert span([(3, 1, 1.5), (3, 2, 1.5)]) == "3 × 1–2 × 1.5 (z y x) = 1.5 × 1–2 × 3 (x y z)"


@pytest.mark.parametrize(
    ("changed", "title", "words"),
    [
        ({}, "Region", "the whole image"),
        ({"roi": "mask"}, "Region", "the labels of the column mask and 10 mm around"),
        ({"roi": "mask", "margin": 4.5}, "Region", "the labels of the column mask and 4.5 mm around"),
        ({"roi": "centre"}, "Region", "as much as the size holds around the point of the columns centre_x"),
        ({"roi": "centre", "margin": 30.0}, "Region", "30 mm around the point of the columns centre_x"),
        ({}, "Resampled", "no: each image keeps its own spacing"),
        ({"spacing": (3.0, 1.0, 1.0)}, "Resampled", "to 3 × 1 × 1 (z y x) = 1 × 1 × 3 (x y z) mm"),
        ({"roi": "enhancement"}, "Region", "what enhances between the phases and 10 mm around"),
        ({}, "Intensities", "by each image's own: z-score, cut off at ±5, rescaled to 0 to 1"),
        ({"intensity_over": "exam"}, "Intensities", "by those of all images of an exam and modality together: z-score"),
        ({"intensity": "percentile"}, "Intensities", "by each image's own: percentiles 1 and 99 become 0 and 1"),
        ({"n4": True}, "Intensities", "bias field taken out by N4; by each image's own: z-score"),
        ({"hu_window": (-200.0, 300.0)}, "Intensities", "-200 to 300 become 0 to 1 (Hounsfield units)"),
        ({"size": (1, 9, 10), "slices": "axial"}, "Slices", "axial, all of an image's at their distance, cropped or"),
        ({"size": (1, 9, 10), "slices": "acquired"}, "Slices", "9 × 10 (y x) = 10 × 9 (x y) pixels"),
        (
            {"slices": "axial", "slice_spacing": (1.0, 1.5)},
            "Resampled",
            "within slices to 1 × 1.5 (y x) = 1.5 × 1 (x y) mm",
        ),
        ({"size": (8, 9, 10)}, "Volumes", "8 × 9 × 10 (z y x) = 10 × 9 × 8 (x y z)"),
    ],
)
def test_the_recipe_in_words(changed: dict[str, object], title: str, words: str) -> None:
    assert words in recipe_facts(Recipe(**changed))[title]  # type: ignore[arg-type]


@dataclass(frozen=True)
class LaterRecipe(Recipe):
    sharpened: bool = False


def test_an_option_without_words_is_told_by_its_name() -> None:
    assert recipe_facts(LaterRecipe(sharpened=True))["Sharpened"] == "True"
    assert "Sharpened" not in recipe_facts(LaterRecipe())
