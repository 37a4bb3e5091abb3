"""Masks of a cohort's images in memory."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medcl.evaluation.saved_segmenter import load_segmenter
from medcl.imaging.nifti import read_nifti
from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput
from medcl.study.study_cohort import read_study_cohort
from medcl.workflows.segment_prediction import MaskPredictor, PredictedMask, cohort_exams
from medcl.workflows.segment_run import refuse_unusable
from tests.workflows.segment_runs import AXES, Made, bright, change_card, make_study, sees_brightness


def predicted(made: Made, cases: Collection[str] | None = None) -> dict[str, PredictedMask]:
    saved = load_segmenter(made.run, torch.device("cpu"))
    exams = cohort_exams(saved, read_study_cohort(made.study), cases)
    return {mask.case: mask for mask in MaskPredictor(saved).masks(exams)}


def test_masks_of_a_cohort_on_canonical_grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    made = make_study(tmp_path / "study")
    (made.study.root / "images" / "P2.nii.gz").write_bytes(b"garbage")
    found = predicted(made)
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
    assert list(predicted(made, cases={"P3"})) == ["P3"]


def test_an_exam_is_prepared_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sees_brightness(monkeypatch)
    made = make_study(tmp_path / "study")
    root = made.study.root
    change_card(made.run, Recipe(size=(1, 32, 32), slices="axial", intensity_over="exam", intensity="percentile"))
    nibabel.Nifti1Image(made.voxels["P1"] / 4, AXES["P1"]).to_filename(root / "images" / "dark.nii.gz")
    rows = ["P1,D15,a,images/P1.nii.gz", "P1,D15,b,images/dark.nii.gz", "P3,D15,a,images/P3.nii.gz"]
    (root / "cohort.csv").write_text("\n".join(["patient,exam,sequence,image", *rows]) + "\n")
    found = predicted(made)
    assert found["P1_D15_a"].mask.voxels.any()
    assert not found["P1_D15_b"].mask.voxels.any()  # dark beside the other phase, by one scale for both
    (root / "images" / "dark.nii.gz").write_bytes(b"garbage")
    found = predicted(made)
    assert [found[case].mask is None for case in found] == [True, True, False]
    assert "without P1_D15_b, of the same exam" in found["P1_D15_a"].problems[0]


def test_a_run_that_asks_for_an_unknown_region_is_refused(tmp_path: Path) -> None:
    made = make_study(tmp_path / "study")
    for roi in ("elsewhere", "run:nobody"):  # of a run without its weights nothing can be looked for
        change_card(made.run, Recipe(size=(1, 32, 32), slices="axial", roi=roi))
        with pytest.raises(BadInput, match=f"the region '{roi}'"):
            refuse_unusable(load_segmenter(made.run, torch.device("cpu")), made.run)
