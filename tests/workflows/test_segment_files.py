"""Files that are no rows of a cohort: which images they are, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput
from medcl.workflows.segment_files import file_jobs, names_of


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/one.nii.gz", "/a/two.nii"], ["one", "two"]),
        (["/a/P1/t2.nii.gz", "/a/P2/t2.nii.gz", "/a/P3/t1.nii"], ["P1_t2", "P2_t2", "t1"]),
        (["/x/P1/M3/t2.nii", "/x/P2/M3/t2.nii"], ["P1_M3_t2", "P2_M3_t2"]),
        (["/a/t.nii", "/a/t.nii.gz"], ["a_t", "a_t-2"]),
        (["/a/b_c.nii", "/a_b/c.nii", "/z/c.nii", "/z/b_c.nii"], ["a_b_c", "a_b_c-2", "z_c", "z_b_c"]),
        (["/a/one two:3.nii.gz", "/a/One two:3.nii"], ["a_one-two-3", "a_One-two-3-2"]),
        (["/t.nii", "/t.nii.gz", "/t-2.nii"], ["t", "t-2", "t-2-2"]),
        (["/a/series", "/b/series"], ["a_series", "b_series"]),
        (["/.nii"], ["image"]),
    ],
)
def test_names_tell_the_images_apart(paths: list[str], names: list[str]) -> None:
    found = names_of([Path(path) for path in paths])
    assert found == names
    assert len({name.casefold() for name in found}) == len(names)


def test_a_folder_gives_its_nifti_files_or_is_a_series(tmp_path: Path) -> None:
    for name in ("nifti/b.nii", "nifti/a.nii.gz", "nifti/notes.txt", "series/IM0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    jobs = file_jobs([tmp_path / "nifti", tmp_path / "series"], Recipe())
    assert [[job.source.image.name for job in exam] for exam in jobs] == [["a.nii.gz"], ["b.nii"], ["series"]]
    assert [job.names["case"] for (job,) in jobs] == ["a", "b", "series"]


def test_all_that_is_wrong_with_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.nii").touch()
    with pytest.raises(BadInput) as caught:
        file_jobs([tmp_path / "a.nii", tmp_path, tmp_path / "gone.nii"], Recipe())
    assert "gone.nii: no such file" in str(caught.value)
    assert "a.nii: is given twice" in str(caught.value)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(roi="mask"), "--roi mask"),
        (Recipe(roi="centre"), "centre_x"),
        (Recipe(roi="enhancement"), "all phases"),
        (Recipe(intensity_over="exam"), "--intensity-over exam"),
    ],
)
def test_a_recipe_that_needs_more_than_the_file_is_refused(tmp_path: Path, recipe: Recipe, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        file_jobs([tmp_path], recipe)
