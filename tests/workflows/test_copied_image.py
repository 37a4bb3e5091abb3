"""A real image under another patient's name, from its file through preprocessing to the gate that refuses training."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

import medcl.study.leakage as leakage
from medcl.workflows.preprocess import PreprocessOptions, preprocess

Medcl = Callable[..., tuple[int, str]]


def same_file(image: Path, copy: Path) -> None:
    copy.with_suffix(".nii.gz").write_bytes(image.read_bytes())


def not_packed(image: Path, copy: Path) -> None:
    nibabel.load(image).to_filename(copy.with_suffix(".nii"))


def stored_from_left_to_right(image: Path, copy: Path) -> None:
    """The same voxels at the same places, in another order in the file."""
    found = nibabel.load(image)
    affine = found.affine.copy()
    affine[:, 3] += affine[:, 0] * (found.shape[0] - 1)
    affine[:, 0] *= -1
    nibabel.Nifti1Image(np.asarray(found.dataobj)[::-1], affine).to_filename(copy.with_suffix(".nii.gz"))


COPIES = (same_file, not_packed, stored_from_left_to_right)


def hide(study: Path, copied: Callable[[Path, Path], None]) -> Path:
    """Give the last patient, who tests, an image of the first, who trains, and preprocess again; return the split."""
    copied(study / "images" / "P001_D15.nii.gz", study / "images" / "copy")
    (copy,) = (study / "images").glob("copy.*")
    cohort = study / "cohort.csv"
    cohort.write_text(cohort.read_text().replace("images/P012_M3.nii.gz", f"images/{copy.name}"))
    preprocess(PreprocessOptions.resolve({"study": study, "workers": 1}))
    with (study / "splits.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "split"])
        parts = {"P010": "val", "P011": "val", "P012": "test"}
        writer.writerows((f"P{number:03d}", parts.get(f"P{number:03d}", "train")) for number in range(1, 13))
    return study / "splits.csv"


def assert_refused(study: Path, splits: Path, medcl: Medcl) -> None:
    words = ("pretrain", "--study", study, "--variable", "gfr", "--splits", splits, "--dry-run", "--device", "cpu")
    code, told = medcl(*words)
    assert code == 2, "training on a copy of a held-out image was not refused"
    assert "The same image content stands on two sides of the split: test: P012_M3; train: P001_D15." in told


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_of_a_training_image_is_found_whatever_its_file(
    study: Path, medcl: Medcl, copied: Callable[[Path, Path], None]
) -> None:
    assert_refused(study, hide(study, copied), medcl)


def test_without_the_gate_it_goes_through(study: Path, medcl: Medcl, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken twin: a gate that sees no two sides."""
    splits = hide(study, same_file)
    monkeypatch.setattr(leakage, "_on_two_sides", lambda *anything: [])
    with pytest.raises(AssertionError, match="was not refused"):
        assert_refused(study, splits, medcl)


def test_patients_who_share_no_image_are_not_refused(study: Path, medcl: Medcl) -> None:
    """Nor is a copy on the same side: the check above is not one that always refuses."""
    splits = hide(study, same_file)
    splits.write_text(splits.read_text().replace("P012,test", "P012,train").replace("P009,train", "P009,test"))
    with pytest.raises(AssertionError, match="was not refused"):
        assert_refused(study, splits, medcl)
