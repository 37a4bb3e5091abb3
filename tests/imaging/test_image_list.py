"""The images that a run knew, and what has become of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from imaging_phantoms import noise

from medcl.imaging.image_list import IMAGES, changes_since, read_image_list, write_image_list
from medcl.imaging.prepare import prepare
from medcl.imaging.recipe import Recipe
from medcl.imaging.stored_volume import StoredVolume, stored_volume
from medcl.study.errors import BadInput


@pytest.fixture
def entries(tmp_path: Path) -> list[StoredVolume]:
    made = []
    for number in range(3):
        prepared = prepare(noise(tmp_path / f"{number}.nii", seed=number), None, Recipe(size=(4, 4, 4)))
        made.append(stored_volume({"case": f"P{number}_D15", "patient": f"P{number}"}, prepared, "recipe", "key"))
    return made


def test_the_list_comes_back(tmp_path: Path, entries: list[StoredVolume]) -> None:
    write_image_list(tmp_path, entries)
    listed = read_image_list(tmp_path)
    assert [(image.case, image.patient, image.content) for image in listed] == [
        (entry.case, entry.patient, entry.content) for entry in entries
    ]
    same = changes_since(listed, entries[::-1])
    assert (same.added, same.removed, same.changed) == ([], [], [])


def test_a_run_without_a_list_knows_no_images(tmp_path: Path) -> None:
    assert read_image_list(tmp_path) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"content": "another"},
        {"label_content": "another"},
        {"affine": tuple(np.diag([2.0, 2.0, 2.0, 1.0]).ravel().tolist())},
    ],
)
def test_changes_are_told_apart(tmp_path: Path, entries: list[StoredVolume], changed: dict[str, object]) -> None:
    write_image_list(tmp_path, entries)
    now = [replace(entries[0], **changed), entries[1], replace(entries[2], case="P7_D15")]  # type: ignore[arg-type]
    found = changes_since(read_image_list(tmp_path), now)
    assert (found.added, found.removed, found.changed) == (["P7_D15"], ["P2_D15"], ["P0_D15"])


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    (tmp_path / IMAGES).write_text("case,patient\nP1,P1\n")
    with pytest.raises(BadInput, match=r"images\.csv: is no list of images"):
        read_image_list(tmp_path)
