"""`medcl preprocess --check`: one report of all errors and oddities, by row."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.cli.app import main
from medcl.study.errors import BadInput
from medcl.workflows.integrity import _right_handed
from medcl.workflows.preprocess import Preprocessed, PreprocessOptions, preprocess

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])
SHAPE = (10, 9, 8)
COUNT = 6


def save(path: Path, voxels: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    nibabel.Nifti1Image(voxels, affine).to_filename(path)


def scan(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 20, SHAPE).astype(np.float32)


def labels() -> np.ndarray:
    marked = np.zeros(SHAPE, np.float32)
    marked[3:6, 3:6, 3:6] = 1
    return marked


def table(root: Path, changed: dict[int, dict[str, str]] | None = None) -> None:
    rows = [
        {"patient": f"P{n}", "image": f"{n}.nii", "mask": f"m{n}.nii", "modality": "mr", "age": str(40 + n)}
        | (changed or {}).get(n, {})
        for n in range(COUNT)
    ]
    with (root / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for number in range(COUNT):
        save(tmp_path / f"{number}.nii", scan(number))
        save(tmp_path / f"m{number}.nii", labels())
    table(tmp_path)
    return tmp_path


def check(study: Path, **options: object) -> Preprocessed:
    return preprocess(PreprocessOptions(**{"study": study, "size": (4, 4, 4), "workers": 1, "check": True} | options))


def report(study: Path, **options: object) -> list[str]:
    with pytest.raises(BadInput) as caught:
        check(study, **options)
    return caught.value.problems


def test_a_clean_study_has_no_warning(study: Path) -> None:
    made = check(study)
    assert (made.images, made.patients, made.warnings, made.folder) == (COUNT, COUNT, [], None)
    assert not (study / "preprocessed").exists()


def test_errors_and_warnings_stand_apart_each_with_its_row(study: Path) -> None:
    voxels = scan(0)
    voxels[0, 0, 0] = np.nan
    save(study / "0.nii", voxels)
    save(study / "m0.nii", labels() / 2)  # a fault of the mask beside that of its image
    save(study / "1.nii", np.full(SHAPE, 7, np.float32))
    shear = AFFINE.copy()
    shear[0, 1] = 1
    image = nibabel.Nifti1Image(scan(2), None)
    image.set_sform(shear, 1)
    image.to_filename(study / "2.nii")
    moved = AFFINE.copy()
    moved[2, 3] = 30
    save(study / "m3.nii", labels() * 70_000, moved)
    table(study, {4: {"modality": "ct"}, 5: {"age": "430"}})
    lines = report(study)
    assert lines[0].startswith("4 of 6 images of")
    assert lines[0].endswith("cannot be used; 6 errors, 2 warnings:")
    expected = [
        ("P0 (row 2): ", "voxels are NaN"),
        ("P0 (row 2): ", "are no whole numbers"),
        ("P1 (row 3): ", "is constant"),
        ("P2 (row 4): ", "is sheared"),
        ("P3 (row 5): ", "another grid"),
        ("P3 (row 5): ", "run from 0 to 70000"),
        ("Warnings", "do not stop"),
        ("P4 (row 6): ", "without fat"),
        ("", "row 7, column 'age': 430 is outside 0 to 120 years"),
    ]
    assert len(lines) == 1 + len(expected)
    for line, (start, within) in zip(lines[1:], expected, strict=True):
        assert line.startswith(start), line
        assert within in line, line


def test_warnings_alone_leave_with_status_0(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(study, {4: {"modality": "ct"}})
    with pytest.raises(SystemExit) as stop:
        main(["preprocess", "--study", str(study), "--check", "--workers", "1"])
    assert not stop.value.code
    out = capsys.readouterr().out
    assert "P4 (row 6): " in out
    assert "6 images of 6 patients can be used; 1 warning, which do not stop preprocessing. Nothing was written." in out


def test_several_processes_tell_the_same(study: Path) -> None:
    table(study, {n: {"modality": "ct"} for n in range(COUNT)})
    one = check(study).warnings
    assert [line[:2] for line in one] == [f"P{n}" for n in range(COUNT)]
    assert check(study, workers=2).warnings == one


def test_one_mask_for_two_images_is_odd(study: Path) -> None:
    table(study, {3: {"mask": "m2.nii"}})
    assert [(line[:11], line.split(": is ")[1]) for line in check(study).warnings] == [
        ("P2 (row 4):", "the mask of P3 too: correct the column mask."),
        ("P3 (row 5):", "the mask of P2 too: correct the column mask."),
    ]


def test_the_one_mirrored_image_stands_out(study: Path) -> None:
    mirrored = AFFINE @ np.diag([-1.0, 1.0, 1.0, 1.0])
    lines = ["patient,image", *(f"P{n},{n}.nii" for n in range(10))]
    (study / "cohort.csv").write_text("\n".join(lines) + "\n")
    for number in range(10):
        save(study / f"{number}.nii", scan(number), mirrored if number == 5 else AFFINE)
    (warning,) = check(study).warnings
    assert warning.startswith("P5 (row 7): its voxels run LAS, mirrored to those of the other 9 images")
    (study / "cohort.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert check(study).warnings == [], "too few to say which way round is usual"
    (study / "cohort.csv").write_text("\n".join(lines) + "\n")
    save(study / "3.nii", scan(3), mirrored)
    assert check(study).warnings == [], "two of ten are nobody's slip"


def test_clinical_tables_are_looked_at(study: Path) -> None:
    (study / "more.csv").write_text("patient,weight [kg]\nP1,70\nP2,7000\n")
    (warning,) = check(study, clinical=["more.csv"]).warnings
    assert "row 3" in warning
    assert "7000 is outside" in warning
    assert check(study).warnings == []


def test_a_wrong_clinical_table_does_not_hide_wrong_images(study: Path) -> None:
    (study / "more.csv").write_text("weight\n70\n")
    (study / "1.nii").unlink()
    lines = report(study, clinical=["more.csv"])
    assert lines[0].startswith("1 of 6 images")
    assert any("more.csv" in line for line in lines[1:])
    assert any(line.startswith("P1 (row 3): ") and "no such file" in line for line in lines[1:])
    save(study / "1.nii", scan(1))
    assert report(study, clinical=["more.csv"])[0].startswith("Tables are wrong; 1 error")


def test_preprocessing_tells_of_oddities_too(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    table(study, {n: {"modality": "ct"} for n in range(COUNT)})
    with caplog.at_level("INFO", logger="medcl"):
        preprocess(PreprocessOptions(study=study, size=(10, 10, 10), workers=1))
    assert caplog.text.count("without fat") == 5
    assert "1 more warning" in caplog.text


@pytest.mark.parametrize("axes", ["RAS", "LPS", "ASR", "SRA", "PRS"])
def test_right_handed_axes(axes: str) -> None:
    assert _right_handed(axes)
    mirrored = axes.translate(str.maketrans("RLAPSI", "LRAPSI"))
    assert not _right_handed(mirrored)
