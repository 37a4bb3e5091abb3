"""The recipe: equal for equal options only, and readable again."""

from __future__ import annotations

import json

import pytest

from medcl.imaging.recipe import PAPER_SIZE, Recipe

OTHERS = [
    Recipe(size=(96, 144, 193)),
    Recipe(spacing=(1.0, 1.0, 1.0)),
    Recipe(roi="mask"),
    Recipe(roi="enhancement"),
    Recipe(roi="mask", margin=5.0),
    Recipe(hu_window=(-160.0, 240.0)),
    Recipe(intensity="percentile"),
    Recipe(intensity_over="exam"),
    Recipe(n4=True),
    Recipe(roi="run:kidney", roi_weights="0123"),
    Recipe(roi="run:kidney", roi_weights="4567"),
    Recipe(roi="run:liver", roi_weights="0123"),
    Recipe(slices="axial"),
    Recipe(slices="acquired"),
    Recipe(slices="acquired", slice_spacing=(1.0, 1.5)),
]

OF_EARLIER_VERSIONS = {
    "89303bd5c68c7dc8": Recipe(),
    "271f0878f3a1ebac": Recipe(hu_window=(-200.0, 300.0)),
    "2653a23b80b657cb": Recipe(size=(4, 5, 6), spacing=(1.0, 2.0, 3.0), roi="mask", margin=5.0),
}
"""Keys that stand in stores and encoder cards made before there was --intensity."""


def test_the_default_is_the_papers_size() -> None:
    assert Recipe().size == PAPER_SIZE == (96, 144, 192)


def test_every_field_changes_the_key() -> None:
    assert len({recipe.key() for recipe in [Recipe(), *OTHERS]}) == len(OTHERS) + 1
    assert Recipe().key() == Recipe(size=(96, 144, 192)).key()


@pytest.mark.parametrize("recipe", OTHERS)
def test_it_is_read_back_from_json(recipe: Recipe) -> None:
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert again.key() == recipe.key()


@pytest.mark.parametrize("key", OF_EARLIER_VERSIONS)
def test_keys_of_earlier_versions_hold(key: str) -> None:
    assert OF_EARLIER_VERSIONS[key].key() == key


def test_a_recipe_of_an_earlier_version_is_read() -> None:
    stored = {"format": 1, "size": [4, 5, 6], "spacing": None, "roi": "whole", "margin": None, "hu_window": None}
    assert Recipe.from_json(stored) == Recipe(size=(4, 5, 6))
    assert Recipe(size=(4, 5, 6)).differences(stored) == []
    assert Recipe(size=(4, 5, 6), n4=True).differences(stored) == ["n4: off there, on now"]


def test_sizes_and_spacings_of_slices_leave_z_alone() -> None:
    slices = Recipe(size=(1, 8, 9), slices="axial", slice_spacing=(1.0, 1.5))
    assert slices.size_for((30, 4, 4)) == (30, 8, 9)
    assert slices.spacing_for((6.0, 0.5, 0.5)) == (6.0, 1.0, 1.5)
    volumes = Recipe(size=(7, 8, 9), spacing=(3.0, 1.0, 1.5))
    assert volumes.size_for((30, 4, 4)) == (7, 8, 9)
    assert volumes.spacing_for((6.0, 0.5, 0.5)) == (3.0, 1.0, 1.5)
    assert Recipe(slices="axial").spacing_for((6.0, 0.5, 0.5)) is None


def test_the_run_of_a_region() -> None:
    assert [Recipe(roi=roi).roi_kind for roi in ("whole", "mask", "run:a:b")] == ["whole", "mask", "run"]
    assert [Recipe(roi=roi).roi_run for roi in ("whole", "mask", "run:a:b")] == [None, None, "a:b"]


def test_differences_are_told_in_words() -> None:
    stored = Recipe(hu_window=(-160.0, 240.0)).to_json()
    assert Recipe(size=(8, 8, 8)).differences(stored) == [
        "size: 96 144 192 there, 8 8 8 now",
        "hu_window: -160 240 there, not set now",
    ]
    assert Recipe().differences(Recipe().to_json()) == []
