"""`medcl simulate --kind cardiac-mr`: what is on the disk, and that the other commands take it."""

from __future__ import annotations

import csv
import hashlib
import json
import tomllib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.cli.app import main
from medcl.study.cohort import read_cohort
from medcl.study.folder import Study
from medcl.study.label_classes import read_label_classes
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from medcl.workflows.pretrain import PretrainOptions
from medcl.workflows.simulate import SimulateOptions, simulate

NAMES = {f"P00{number}_{exam}_cine.nii.gz" for number in (1, 2) for exam in ("ED", "ES")}


def contents(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob(pattern))
        if file.is_file()
    }


def run(folder: Path, patients: int, workers: int = 1, overwrite: bool = False) -> None:
    options = {"kind": "cardiac-mr", "patients": patients, "seed": 3, "workers": workers, "overwrite": overwrite}
    simulate(SimulateOptions(directory=folder, **options))


@pytest.fixture(scope="module")
def hearts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "hearts"
    run(folder, patients=2)
    return folder


def test_every_patient_has_two_phases_with_masks_on_one_oblique_grid(hearts: Path) -> None:
    assert {file.name for file in (hearts / "images").iterdir()} == NAMES
    assert {file.name for file in (hearts / "masks").iterdir()} == NAMES
    for name in NAMES:
        image, mask = nibabel.load(hearts / "images" / name), nibabel.load(hearts / "masks" / name)
        assert image.get_data_dtype() == np.int16
        assert mask.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(image.affine, mask.affine)
        np.testing.assert_allclose(image.get_sform(), image.get_qform(), atol=1e-3)
        assert image.shape == mask.shape
        assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1, 2, 3}
        # The qform keeps single precision only; oblique means that no axis is the scanner's.
        assert np.abs(image.affine[:3, :3] / image.header.get_zooms()).max() < 0.995
        other = nibabel.load(hearts / "images" / name.replace("ED", "ES"))
        np.testing.assert_array_equal(image.affine, other.affine)


def test_the_cohort_is_read_with_its_variables_and_labels(hearts: Path) -> None:
    cohort = read_cohort(hearts / "cohort.csv")
    assert len(cohort) == 4
    assert cohort.exams() == ["ED", "ES"]
    assert cohort.variable("ejection_fraction").unit == "%"
    assert cohort.variable("lv_volume").unit == "mL"
    assert cohort.variable("group").kind == "categorical"
    classes = read_label_classes(Study(hearts))
    assert [(each.value, each.name) for each in classes] == [
        (1, "right ventricle"),
        (2, "myocardium"),
        (3, "left ventricle"),
    ]
    assert len({each.colour for each in classes}) == 3


def test_the_ejection_fraction_follows_from_the_truth_and_from_the_masks(hearts: Path) -> None:
    with (hearts / "truth.csv").open(encoding="utf-8") as file:
        truth = {(row["patient"], row["exam"]): row for row in csv.DictReader(file)}
    assert len(truth) == 4
    with (hearts / "cohort.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        volume = {exam: float(truth[row["patient"], exam]["lv_volume [mL]"]) for exam in ("ED", "ES")}
        fraction = 100 * (1 - volume["ES"] / volume["ED"])
        assert float(row["ejection_fraction [%]"]) == pytest.approx(fraction, abs=0.06)
        counted = {}
        for exam in ("ED", "ES"):
            mask = nibabel.load(hearts / "masks" / f"{row['patient']}_{exam}_cine.nii.gz")
            counted[exam] = (np.asarray(mask.dataobj) == 3).sum() * np.prod(mask.header.get_zooms()) / 1000
        assert 100 * (1 - counted["ES"] / counted["ED"]) == pytest.approx(fraction, abs=6)


def test_the_settings_are_ones_that_the_commands_know(hearts: Path) -> None:
    settings = tomllib.loads((hearts / "medcl.toml").read_text(encoding="utf-8"))
    assert set(settings) == {"labels", "preprocess", "pretrain"}
    assert PreprocessOptions.resolve({"study": hearts}).slices == "acquired"
    assert PretrainOptions.resolve({"study": hearts, "variable": "ejection_fraction"}).network == "resnet18"


def test_slices_and_volumes_can_be_made_of_it(tmp_path: Path) -> None:
    run(tmp_path, patients=1)
    preprocess(PreprocessOptions.resolve({"study": tmp_path, "workers": 1, "quality": False}))
    assert (tmp_path / "preprocessed" / "default").is_dir()
    volumes = {"slices": "none", "size": (64, 64, 12), "spacing": (4.0, 4.0, 8.0), "name": "volumes"}
    preprocess(PreprocessOptions(study=tmp_path, workers=1, quality=False, **volumes))
    assert (tmp_path / "preprocessed" / "volumes").is_dir()


def test_the_same_seed_gives_the_same_bytes_whoever_does_the_work_and_however_many_follow(
    hearts: Path, tmp_path: Path
) -> None:
    run(tmp_path / "again", patients=2, workers=2)
    assert contents(tmp_path / "again") == contents(hearts)
    run(tmp_path / "alone", patients=1)
    alone = contents(tmp_path / "alone", "P001_*")
    assert len(alone) == 4
    assert alone == contents(hearts, "P001_*")


def test_one_kind_replaces_the_other(tmp_path: Path) -> None:
    simulate(SimulateOptions(directory=tmp_path, kind="transplant-mr", patients=1, workers=1))
    run(tmp_path, patients=1, overwrite=True)
    assert len(list((tmp_path / "images").iterdir())) == 2
    assert json.loads((tmp_path / "simulation.json").read_text())["kind"] == "cardiac-mr"
    assert "labels" in (tmp_path / "medcl.toml").read_text()


def test_the_variables_are_listed(hearts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["list", "variables", "--study", str(hearts)])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "ejection_fraction" in shown
    assert "group" in shown


def test_help_names_both_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    shown = capsys.readouterr().out
    assert "transplant-mr" in shown
    assert "cardiac-mr" in shown
