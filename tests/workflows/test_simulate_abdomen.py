"""`medcl simulate --kind abdomen-ct-mr`: what is on the disk, and that the other commands take it."""

from __future__ import annotations

import csv
import hashlib
import json
import shlex
import tomllib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.cli.app import main
from medcl.imaging.store import read_manifest
from medcl.study.cohort import read_cohort
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.label_classes import read_label_classes
from medcl.workflows.preprocess import PreprocessOptions
from medcl.workflows.simulate import SimulatedStudy, SimulateOptions, simulate


def contents(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob(pattern))
        if file.is_file()
    }


def run(folder: Path, patients: int, seed: int = 3, workers: int = 1, overwrite: bool = False) -> SimulatedStudy:
    options = {"patients": patients, "seed": seed, "workers": workers, "overwrite": overwrite}
    return simulate(SimulateOptions(directory=folder, kind="abdomen-ct-mr", **options))


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as content:
        return list(csv.DictReader(content))


@pytest.fixture(scope="module")
def abdomens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "abdomens"
    run(folder, patients=3)
    return folder


def test_every_patient_has_one_image_and_a_mask_on_its_grid(abdomens: Path) -> None:
    rows = rows_of(abdomens / "cohort.csv")
    assert [row["patient"] for row in rows] == ["P001", "P002", "P003"]
    assert [row["modality"] for row in rows] == ["ct", "mr", "ct"]
    assert len(list((abdomens / "images").iterdir())) == len(list((abdomens / "masks").iterdir())) == 3
    for row in rows:
        image, mask = nibabel.load(abdomens / row["image"]), nibabel.load(abdomens / row["mask"])
        assert image.get_data_dtype() == np.int16
        assert mask.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, mask.affine)
        np.testing.assert_allclose(image.get_sform(), image.get_qform(), atol=1e-3)
        assert image.shape == mask.shape
        assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1, 2, 3, 4}
        # What is stored is what is meant: no slope, no intercept.
        assert (image.dataobj.slope, image.dataobj.inter) == (1, 0)


def test_ct_is_in_hounsfield_units_and_mr_is_not(abdomens: Path) -> None:
    for row in rows_of(abdomens / "cohort.csv"):
        voxels = np.asarray(nibabel.load(abdomens / row["image"]).dataobj)
        if row["modality"] == "ct":
            assert float(np.percentile(voxels, 3)) == pytest.approx(-1000, abs=40)
            assert 300 < voxels.max() <= 3071
        else:
            assert voxels.min() >= 0


def test_the_cohort_is_read_with_its_variables_and_labels(abdomens: Path) -> None:
    cohort = read_cohort(abdomens / "cohort.csv")
    assert len(cohort) == len(cohort.patients()) == 3
    assert cohort.exams() == []
    assert cohort.variable("age").unit == "years"
    assert cohort.variable("weight").unit == "kg"
    assert cohort.variable("sex").kind == "categorical"
    classes = read_label_classes(Study(abdomens))
    assert [each.name for each in classes] == ["liver", "right kidney", "left kidney", "spleen"]
    assert len({each.colour for each in classes}) == 4


def test_the_truth_has_a_row_a_patient_and_the_masks_agree_with_it(abdomens: Path) -> None:
    truth = {row["patient"]: row for row in rows_of(abdomens / "truth.csv")}
    for row in rows_of(abdomens / "cohort.csv"):
        known = truth[row["patient"]]
        mask = nibabel.load(abdomens / row["mask"])
        labels, unit = np.asarray(mask.dataobj), np.prod(mask.header.get_zooms()) / 1000
        for value, name in ((1, "liver"), (2, "right_kidney"), (3, "left_kidney"), (4, "spleen")):
            assert (labels == value).sum() * unit == pytest.approx(float(known[f"{name}_volume [mL]"]), rel=0.1)
        for value, name in ((2, "right_kidney"), (3, "left_kidney")):
            middle = mask.affine @ np.append(np.argwhere(labels == value).mean(axis=0), 1.0)
            assert np.linalg.norm(middle[:3] - [float(known[f"{name}_{axis} [mm]"]) for axis in "xyz"]) < 15
        assert (known["liver_hu [HU]"] == "") == (known["modality"] == "mr")
        assert (known["gain"] == "") == (known["modality"] == "ct")


def test_the_settings_are_ones_that_the_commands_know(abdomens: Path) -> None:
    settings = tomllib.loads((abdomens / "medcl.toml").read_text(encoding="utf-8"))
    assert set(settings) == {"labels", "preprocess"}
    assert PreprocessOptions.resolve({"study": abdomens}).slices == "axial"


def test_the_commands_that_are_told_prepare_both_modalities(
    abdomens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tmp_path / "study"
    for command in run(study, patients=2).following:
        assert command in (study / "medcl.toml").read_text(encoding="utf-8")
        monkeypatch.chdir(study)
        with pytest.raises(SystemExit) as stop:
            main([*shlex.split(command)[1:], "--workers", "1", "--no-quality"])
        assert stop.value.code == 0
    stores = {name: read_manifest(study / "preprocessed" / name / "manifest.csv") for name in ("ct", "mr")}
    for name, entries in stores.items():
        (mine,) = (entry for entry in entries if entry.modality == name)
        volume = np.load(study / "preprocessed" / name / mine.file).astype(np.float32)
        assert volume.shape[1:] == (128, 128)
        assert 0 <= volume.min() < 0.05
        assert 0.95 < volume.max() <= 1
        assert volume.std() > 0.1
        if name == "ct":
            assert (mine.scale, mine.offset) == (500, -200)
            labels = np.load(study / "preprocessed" / name / mine.label_file)
            (known,) = (row for row in rows_of(study / "truth.csv") if row["modality"] == "ct")
            found = -200 + 500 * float(np.median(volume[labels == 1]))
            assert found == pytest.approx(float(known["liver_hu [HU]"]), abs=6)


def test_the_same_seed_gives_the_same_bytes_whoever_does_the_work_and_however_many_follow(
    abdomens: Path, tmp_path: Path
) -> None:
    run(tmp_path / "again", patients=2, workers=2)
    here = contents(abdomens, "P00[12]_*")
    assert contents(tmp_path / "again", "P*") == here
    assert len(here) == 4


def test_one_patient_is_refused_since_one_modality_would_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--patients 1: --kind abdomen-ct-mr needs 2 or more.*MR"):
        run(tmp_path / "study", patients=1)
    assert not (tmp_path / "study").exists()
    with pytest.raises(BadInput, match="--patients"):
        SimulateOptions(directory=tmp_path / "study", kind="abdomen-ct-mr", patients=0)


def test_help_names_the_kind(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    assert "abdomen-ct-mr" in capsys.readouterr().out


def test_another_seed_replaces_another_kind_and_the_summary_says_what_comes_next(
    abdomens: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate(SimulateOptions(directory=tmp_path, kind="cardiac-mr", patients=1, workers=1))
    asked = ["--kind", "abdomen-ct-mr", "--patients", "2", "--seed", "4", "--workers", "1", "--overwrite"]
    with pytest.raises(SystemExit) as stop:
        main(["simulate", str(tmp_path), *asked])
    assert stop.value.code == 0
    assert len(list((tmp_path / "images").iterdir())) == 2
    assert json.loads((tmp_path / "simulation.json").read_text())["kind"] == "abdomen-ct-mr"
    assert not set(contents(tmp_path, "P*").values()) & set(contents(abdomens, "P*").values())
    shown = capsys.readouterr().out
    assert "2 images of 2 patients" in shown
    assert "--hu-window -200 300" in shown
    assert "--intensity percentile" in shown
