"""The recipe: equal for equal options only, and readable again."""

from __future__ import annotations

import json

import pytest

from medcl.imaging.recipe import PAPER_SIZE, Recipe

OTHERS = [
    Recipe(size=(96, 144, 193)),
    Recipe(spacing=(1.0, 1.0, 1.0)),
    Recipe(roi="mask"),
    Recipe(roi="mask", margin=5.0),
    Recipe(hu_window=(-160.0, 240.0)),
]


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


def test_differences_are_told_in_words() -> None:
    stored = Recipe(hu_window=(-160.0, 240.0)).to_json()
    assert Recipe(size=(8, 8, 8)).differences(stored) == [
        "size: 96 144 192 there, 8 8 8 now",
        "hu_window: -160 240 there, not set now",
    ]
    assert Recipe().differences(Recipe().to_json()) == []
