"""`medcl simulate`: what is on the disk, that the same seed is the same bytes, and what is refused."""

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
from medcl.study.errors import BadInput
from medcl.workflows.preprocess import PreprocessOptions
from medcl.workflows.pretrain import PretrainOptions
from medcl.workflows.simulate import SimulatedStudy, SimulateOptions, simulate

EXAMS = ("D15", "D30", "M3", "M12")
SEQUENCES = ("water", "arterial", "tubular")


def run(folder: Path, patients: int = 1, seed: int = 3, workers: int = 1, overwrite: bool = False) -> SimulatedStudy:
    return simulate(
        SimulateOptions(directory=folder, patients=patients, seed=seed, workers=workers, overwrite=overwrite)
    )


def contents(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob(pattern))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "study"
    run(folder, patients=2)
    return folder


def test_every_exam_has_its_images_and_masks(study: Path) -> None:
    names = {f"P00{n}_{exam}_{sequence}.nii.gz" for n in (1, 2) for exam in EXAMS for sequence in SEQUENCES}
    assert {file.name for file in (study / "images").iterdir()} == names
    assert {file.name for file in (study / "masks").iterdir()} == names
    assert not list(study.rglob(".unfinished-*"))


def test_files_are_small_integers_with_one_honest_affine(study: Path) -> None:
    for file in (study / "images").iterdir():
        image, mask = nibabel.load(file), nibabel.load(study / "masks" / file.name)
        assert image.get_data_dtype() == np.int16
        assert mask.get_data_dtype() == np.uint8
        assert image.header.get_xyzt_units()[0] == "mm"
        assert image.header["sform_code"] == image.header["qform_code"] == 1
        np.testing.assert_allclose(image.get_sform(), image.get_qform(), atol=1e-3)
        np.testing.assert_array_equal(image.affine, mask.affine)
        assert image.shape == mask.shape
        assert set(np.unique(np.asarray(mask.dataobj))) == {0, 1, 2, 3}
        assert 300 < np.asarray(image.dataobj).max() <= 32767


def test_the_cohort_is_read_with_its_variables(study: Path) -> None:
    cohort = read_cohort(study / "cohort.csv")
    assert len(cohort) == 24
    assert cohort.exams() == list(EXAMS)
    assert set(cohort.sequences()) == set(SEQUENCES)
    assert cohort.variable("gfr").unit == "mL/min/1.73m2"
    assert cohort.variable("screat").unit == "umol/L"
    assert cohort.variable("donor_age").unit == "years"
    assert cohort.variable("incompatibility").kind == "numeric"
    assert all(Path(mask).is_file() for mask in cohort.frame["mask"])
    assert cohort.frame["days"].between(10, 420).all()
    assert set(cohort.frame["modality"]) == {"mr"}


def test_the_truth_has_an_exam_a_row_and_is_near_what_was_measured(study: Path) -> None:
    with (study / "truth.csv").open(encoding="utf-8") as file:
        truth = {(row["patient"], row["exam"]): row for row in csv.DictReader(file)}
    assert len(truth) == 8
    with (study / "cohort.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            known = truth[row["patient"], row["exam"]]
            if row["gfr [mL/min/1.73m2]"]:
                measured, true = float(row["gfr [mL/min/1.73m2]"]), float(known["gfr [mL/min/1.73m2]"])
                assert measured == pytest.approx(true, rel=0.2)
            assert row["scanner"] == known["scanner"]
    row = next(iter(truth.values()))
    for name in ("kidney_volume [mL]", "cortical_thickness [mm]", "graft_filtration [mL/min]", "rejection", "gain"):
        assert float(row[name]) >= 0


def test_the_truths_place_is_in_the_middle_of_the_mask(study: Path) -> None:
    with (study / "truth.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            mask = nibabel.load(study / "masks" / f"{row['patient']}_{row['exam']}_water.nii.gz")
            index = np.argwhere(np.asarray(mask.dataobj) > 0).mean(axis=0)
            middle = (mask.affine @ np.append(index, 1.0))[:3]
            assert np.linalg.norm(middle - [float(row[f"graft_{axis} [mm]"]) for axis in "xyz"]) < 12


def test_the_settings_are_ones_that_the_commands_know(study: Path) -> None:
    settings = tomllib.loads((study / "medcl.toml").read_text(encoding="utf-8"))
    assert set(settings) == {"preprocess", "pretrain"}
    assert PreprocessOptions.resolve({"study": study}).roi == "mask"
    assert PretrainOptions.resolve({"study": study, "variable": "gfr"}).network == "resnet10"


def test_the_same_seed_gives_the_same_bytes_whoever_does_the_work(study: Path, tmp_path: Path) -> None:
    run(tmp_path / "again", patients=2, workers=2)
    assert contents(tmp_path / "again") == contents(study)


def test_a_patient_does_not_depend_on_how_many_there_are(study: Path, tmp_path: Path) -> None:
    run(tmp_path / "alone", patients=1)
    alone = contents(tmp_path / "alone", "P001_*")
    assert len(alone) == 24
    assert alone == contents(study, "P001_*")


def test_another_seed_gives_another_study(study: Path, tmp_path: Path) -> None:
    run(tmp_path / "other", patients=1, seed=4)
    other, here = contents(tmp_path / "other", "P001_*"), contents(study, "P001_*")
    assert not any(other[name] == here[name] for name in other)


def test_some_values_are_missing() -> None:
    from medcl.imaging.simulate.study_tables import clinical_values
    from medcl.imaging.simulate.transplant_mr import draw_exam, draw_patient

    rows = [clinical_values(draw_exam(draw_patient(0, n), "M3", 0), 0) for n in range(1, 151)]
    for name in ("gfr [mL/min/1.73m2]", "screat [umol/L]", "donor_age [years]", "incompatibility"):
        assert 0 < sum(row[name] == "" for row in rows) < 0.1 * len(rows), name


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"not empty.*--overwrite"):
        run(tmp_path)
    assert contents(tmp_path).keys() == {"notes.txt"}


def test_overwrite_replaces_a_simulated_study_and_leaves_the_rest(tmp_path: Path) -> None:
    run(tmp_path, patients=2)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "images" / "scout.nii.gz").write_text("mine")
    run(tmp_path, patients=1, seed=4, overwrite=True)
    assert len(list((tmp_path / "images").glob("P*.nii.gz"))) == 12
    assert len(read_cohort(tmp_path / "cohort.csv")) == 12
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "images" / "scout.nii.gz").exists()
    assert json.loads((tmp_path / "simulation.json").read_text())["seed"] == 4


def test_overwrite_never_touches_a_real_study(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "P001_D15_water.nii.gz").write_text("a real scan")
    (tmp_path / "cohort.csv").write_text("patient,image\n")
    with pytest.raises(BadInput, match=r"simulation\.json"):
        run(tmp_path, overwrite=True)
    assert (tmp_path / "images" / "P001_D15_water.nii.gz").read_text() == "a real scan"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("")
    with pytest.raises(BadInput, match="is a file"):
        run(tmp_path / "study")


def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", str(tmp_path / "study"), "--kind", "transplant-mr", "--patients", "1", "--workers", "1"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "12 images of 1 patient" in shown
    assert "medcl preprocess" in shown


def test_bad_options_are_told_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", str(tmp_path / "study"), "--patients", "0", "--kind", "brain", "--workers", "0"])
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert "--patients" in shown
    assert "--kind" in shown
    assert "--workers" in shown
    assert not (tmp_path / "study").exists()


def test_study_is_refused_in_favour_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--study"):
        SimulateOptions(directory=tmp_path / "a", study=tmp_path / "b")
