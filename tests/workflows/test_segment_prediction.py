"""Masks of a cohort's images in memory, as `medcl preprocess` takes them for a region."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medcl.imaging.nifti import read_nifti
from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput
from medcl.study.study_cohort import read_study_cohort
from medcl.workflows.segment_prediction import _ahead, predicted_masks
from tests.workflows.segment_runs import AXES, bright, change_card, make_study, sees_brightness


def test_masks_of_a_cohort_on_canonical_grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    made = make_study(tmp_path / "study")
    cohort = read_study_cohort(made.study)
    (made.study.root / "images" / "P2.nii.gz").write_bytes(b"garbage")
    found = {mask.case: mask for mask in predicted_masks(made.run, cohort, torch.device("cpu"))}
    assert list(found) == list(AXES)
    assert found["P2"].mask is None
    assert "no NIfTI file" in found["P2"].problems[0]
    for patient in ("P1", "P3", "P4"):
        mask = found[patient].mask
        assert mask is not None
        image = read_nifti(made.study.root / "images" / f"{patient}.nii.gz")
        assert mask.shape == image.shape
        assert np.array_equal(mask.affine, image.affine)
        assert np.array_equal(mask.voxels, bright(image.voxels))
    some = predicted_masks(made.run, cohort, torch.device("cpu"), cases={"P3"})
    assert [mask.case for mask in some] == ["P3"]


def test_an_exam_is_prepared_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    made = make_study(tmp_path / "study")
    root = made.study.root
    change_card(made.run, Recipe(size=(1, 32, 32), slices="axial", intensity_over="exam", intensity="percentile"))
    nibabel.Nifti1Image(made.voxels["P1"] / 4, AXES["P1"]).to_filename(root / "images" / "dark.nii.gz")
    rows = ["P1,D15,a,images/P1.nii.gz", "P1,D15,b,images/dark.nii.gz", "P3,D15,a,images/P3.nii.gz"]
    (root / "cohort.csv").write_text("\n".join(["patient,exam,sequence,image", *rows]) + "\n")
    cohort = read_study_cohort(made.study)
    found = {mask.case: mask for mask in predicted_masks(made.run, cohort, torch.device("cpu"))}
    assert found["P1_D15_a"].mask.voxels.any()
    assert not found["P1_D15_b"].mask.voxels.any()  # dark beside the other phase, by one scale for both
    (root / "images" / "dark.nii.gz").write_bytes(b"garbage")
    found = {mask.case: mask for mask in predicted_masks(made.run, cohort, torch.device("cpu"))}
    assert [found[case].mask is None for case in found] == [True, True, False]
    assert "without P1_D15_b, of the same exam" in found["P1_D15_a"].problems[0]


def test_a_run_that_asks_for_an_unknown_region_is_refused(tmp_path: Path) -> None:
    made = make_study(tmp_path / "study")
    change_card(made.run, Recipe(size=(1, 32, 32), slices="axial", roi="elsewhere"))
    with pytest.raises(BadInput, match="the region 'elsewhere'"):
        next(predicted_masks(made.run, read_study_cohort(made.study), torch.device("cpu")))


def test_one_step_ahead_and_no_more() -> None:
    begun: list[int] = []

    def items():
        for number in range(5):
            begun.append(number)
            yield number

    results = _ahead(lambda number: number * 10, items())
    assert next(results) == 0
    assert begun == [0, 1]
    assert list(results) == [10, 20, 30, 40]

    def fails(number: int) -> int:
        if number == 1:
            raise BadInput("one")
        return number

    results = _ahead(fails, iter(range(3)))
    assert next(results) == 0
    with pytest.raises(BadInput, match="one"):
        next(results)
