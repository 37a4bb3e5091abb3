"""The images of an exam on one scale; and the way back from stored numbers to intensities."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from imaging_phantoms import AFFINE, noise, save

from medcl.imaging.half import from_half
from medcl.imaging.prepare import BadExam, Prepared, prepare, prepare_together
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.stored_volume import StoredVolume, stored_volume
from medcl.imaging.worker import Job, work_together
from medcl.study.errors import BadInput

SIZE = (4, 5, 6)
HALF_STEP = 2.0**-11


def phases(folder: Path, factors: tuple[float, ...] = (1.0, 1.5, 3.0)) -> list[Path]:
    rng = np.random.default_rng(0)
    return [
        save(folder / f"{n}.nii", (factor * rng.normal(100, 10, SIZE[::-1])).astype(np.float32), AFFINE)
        for n, factor in enumerate(factors)
    ]


def together(paths: list[Path], recipe: Recipe) -> list[Prepared]:
    return prepare_together([Source(path).read() for path in paths], recipe)


def stored(prepared: Prepared) -> np.ndarray:
    return from_half(prepared.volume, np.empty(prepared.volume.shape, np.float32)).astype(np.float64)


@pytest.mark.parametrize("intensity", ["zscore", "percentile"])
def test_phases_keep_their_ratios_over_an_exam_and_lose_them_alone(tmp_path: Path, intensity: str) -> None:
    paths = phases(tmp_path)
    means = [stored(each).mean() for each in together(paths, Recipe(SIZE, intensity=intensity, intensity_over="exam"))]
    assert means[0] < means[1] < means[2]
    alone = [stored(each).mean() for each in together(paths, Recipe(SIZE, intensity=intensity))]
    assert np.ptp(alone) < 0.2 < np.ptp(means)


RECIPES = [
    Recipe(SIZE),
    Recipe(SIZE, intensity="percentile"),
    Recipe(SIZE, intensity_over="exam"),
    Recipe(SIZE, intensity="percentile", intensity_over="exam"),
    Recipe(SIZE, hu_window=(80.0, 120.0)),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_stored_numbers_are_turned_back_into_intensities(tmp_path: Path, recipe: Recipe) -> None:
    """By the manifest's line alone, after it was written and read."""
    paths = phases(tmp_path)
    if recipe.hu_window:
        paths = paths[:1]
    cut = []
    for path, prepared in zip(paths, together(paths, recipe), strict=True):
        entry = StoredVolume.from_row(stored_volume({"case": "a"}, prepared, "r", "k").to_row())
        assert entry.scale is not None
        assert entry.offset is not None
        again = entry.offset + entry.scale * stored(prepared)
        source = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
        expected = np.clip(source, entry.offset, entry.offset + entry.scale)
        np.testing.assert_allclose(again, expected, atol=HALF_STEP * entry.scale)
        cut.append((source != expected).mean())
    nothing = recipe.hu_window is None and recipe.intensity == "zscore"
    assert sum(cut) == 0 if nothing else 0 < np.mean(cut) < 0.5


def test_percentiles_cut_one_voxel_in_a_hundred(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii", np.arange(1000, dtype=np.float32).reshape(10, 10, 10), AFFINE)
    prepared = prepare(path, None, Recipe((10, 10, 10), intensity="percentile"))
    assert (prepared.levels.low, prepared.levels.high) == pytest.approx((9.99, 989.01))
    assert (stored(prepared) == 0).sum() == 10


def test_an_image_without_a_range_is_refused(tmp_path: Path) -> None:
    voxels = np.zeros((10, 10, 10), np.float32)
    voxels[0, 0, 0] = 5
    path = save(tmp_path / "a.nii", voxels, AFFINE)
    with pytest.raises(BadInput, match="--intensity percentile finds no range, nearly all voxels of the region are 0"):
        prepare(path, None, Recipe(intensity="percentile"))
    prepare(path, None, Recipe(SIZE))


def test_every_bad_image_of_an_exam_is_told(tmp_path: Path) -> None:
    paths = phases(tmp_path)
    (tmp_path / "0.nii").write_bytes(b"no image")
    save(paths[2], np.full(SIZE, 3, np.float32), AFFINE)
    with pytest.raises(BadExam) as caught:
        together(paths, RECIPES[2])
    assert [len(each) for each in caught.value.by_image] == [1, 0, 1]


def jobs(folder: Path, paths: list[Path], recipe: Recipe = RECIPES[2]) -> list[Job]:
    (folder / "volumes").mkdir(exist_ok=True)
    return [Job({"case": path.stem, "patient": "P"}, Source(path), recipe, folder, mark="m") for path in paths]


def test_without_one_image_none_of_the_exam_is_prepared(tmp_path: Path) -> None:
    paths = [*phases(tmp_path), tmp_path / "missing.nii"]
    outcomes = work_together(jobs(tmp_path, paths))
    assert [outcome.status for outcome in outcomes] == ["bad"] * 4
    assert "no such file" in outcomes[3].problems[0]
    assert outcomes[0].problems[0].endswith("cannot be prepared without missing, of the same exam: correct that one.")
    assert not list((tmp_path / "volumes").iterdir())


def test_a_change_of_one_image_changes_the_keys_of_all(tmp_path: Path) -> None:
    paths = phases(tmp_path)
    for recipe, changed in ((RECIPES[2], 3), (RECIPES[0], 1)):
        keys = []
        for seed in (1, 2):
            noise(paths[1], SIZE[::-1], seed=seed)
            exam = [Source(path).read() for path in paths]
            keys.append([contents.key(recipe, exam) for contents in exam])
        assert sum(one != other for one, other in zip(*keys, strict=True)) == changed
