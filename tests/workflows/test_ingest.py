"""`medcl preprocess --from`: a first cohort.csv out of what a hospital exports, and nothing that is private."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import logging
import os
import shutil
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from medcl.study.cohort import read_cohort
from medcl.study.errors import BadInput
from medcl.workflows.ingest import Ingested, IngestOptions, ingest


def _phantoms() -> ModuleType:
    """The phantoms of the DICOM tests, by path: pytest's importlib mode makes no packages of test folders."""
    file = Path(__file__).parents[1] / "imaging/dicom/dicom_phantoms.py"
    spec = importlib.util.spec_from_file_location("dicom_phantoms", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("dicom_phantoms", module)
    spec.loader.exec_module(module)
    return module


phantoms = _phantoms()
AXIAL = phantoms.lps_affine(phantoms.PLANES["axial"])
SECRETS = ["Secretname", "19510203", "1951-02-03", "ACC998877", "Dr^Hidden"]


def scan(folder: Path, patient: str = "A1", seed: int = 0, count: int = 4, **fields: Any) -> list[Path]:
    """A classic series with everything in its header that must not leave it."""
    private = {
        "PatientName": "Secretname^Anna",
        "PatientBirthDate": "19510203",
        "AccessionNumber": "ACC998877",
        "ReferringPhysicianName": "Dr^Hidden",
    }
    voxels = phantoms.noise(count, seed=seed)
    paths: list[Path] = phantoms.write_stack(folder, voxels, AXIAL, **(private | {"PatientID": patient} | fields))
    return paths


def run(root: Path, study: Path, **options: Any) -> Ingested:
    how = {name: options.pop(name) for name in ("workers", "overwrite") if name in options}
    return ingest(IngestOptions(study=study, from_=root, **options), **({"workers": 1} | how))


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def names(study: Path) -> list[tuple[str, str, str]]:
    return [(row["patient"], row["exam"], row["sequence"]) for row in table(study / "cohort.csv")]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An export of two patients: the three water phases, a fat image, a localiser, a report, a torn file, a README."""
    root = tmp_path / "export"
    for number, patient in enumerate(("A1", "B2")):
        for place, word in enumerate(("ss IV", "art", "tub")):
            described = {"SeriesDescription": f"WATER: Ax LAVA-Flex {word}", "SeriesNumber": place + 3}
            folder, study = root / patient / "ST0" / f"SE{place}", {"StudyInstanceUID": f"1.2.3.{number}"}
            scan(folder, patient, 10 * number + place, **described, **study)
    scan(root / "A1/ST0/SE7", "A1", 50, SeriesDescription="FAT: Ax LAVA-Flex art", StudyInstanceUID="1.2.3.0")
    scan(root / "A1/ST0/SE8", "A1", 51, SeriesDescription="3-plane loc", StudyInstanceUID="1.2.3.0")
    scan(root / "A1/ST0/SE9", "A1", 52, SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22", count=1)
    scan(root / "B2/ST0/SE9", "B2", 53, SeriesDescription="T2", StudyInstanceUID="1.2.3.1")[1].unlink()
    (root / "DICOMDIR").write_bytes(b"not looked at")
    (root / "README.txt").write_text("hello")
    torn = root / "A1/torn"
    torn.write_bytes((root / "A1/ST0/SE0/IM0").read_bytes()[:-10])
    return root


def test_a_first_cohort_and_what_was_left_out(export: Path, tmp_path: Path) -> None:
    made = run(export, tmp_path / "study")
    assert names(tmp_path / "study") == [
        (patient, "E1", sequence) for patient in ("A1", "B2") for sequence in ("water", "arterial", "tubular")
    ]
    cohort = read_cohort(tmp_path / "study/cohort.csv")
    assert len(cohort) == made.images == 6
    assert (made.patients, made.exams, made.files) == (2, 2, 38)
    series = table(tmp_path / "study/series.csv")
    left_out = {(row["source"], row["note"]) for row in series if row["used"] == "no"}
    assert left_out == {
        ("A1/ST0/SE7", "shows fat (--components)"),
        ("A1/ST0/SE8", "a localiser or the like, by its description (leave-out)"),
        ("A1/ST0/SE9/IM0", "a report"),
        ("B2/ST0/SE9", "missing slices: 1 of 4 (1 after slice 1; 3 mm apart)"),
        ("A1/torn", "is torn: it holds 50 of 60 bytes of pixels"),
        ("README.txt", "is no DICOM file"),
    }
    assert sum(made.left_out.values()) == len(left_out)
    used = next(row for row in series if row["used"] == "yes")
    assert (used["slices"], used["size z y x"], used["spacing z y x [mm]"]) == ("4", "4 6 5", "3 2 1.5")


def test_images_are_those_of_the_files(export: Path, tmp_path: Path) -> None:
    from medcl.imaging.dicom.read_series import read_dicom
    from medcl.imaging.nifti import read_nifti

    run(export, tmp_path / "study")
    stored = read_nifti(tmp_path / "study/images/A1_E1_arterial.nii.gz")
    there = read_dicom(export / "A1/ST0/SE1")
    np.testing.assert_allclose(stored.voxels, there.voxels, rtol=1e-6)
    np.testing.assert_allclose(stored.affine, there.affine, atol=1e-5)


def test_whole_numbers_are_stored_as_such_and_others_as_float(tmp_path: Path) -> None:
    scan(tmp_path / "export/whole", RescaleSlope=1, RescaleIntercept=-1024, SeriesDescription="whole")
    scan(tmp_path / "export/part", RescaleSlope=0.3, seed=1, SeriesDescription="part")
    run(tmp_path / "export", tmp_path / "study")
    kinds = {
        row[2]: nibabel.load(tmp_path / f"study/images/A1_{row[1]}_{row[2]}.nii.gz")
        for row in names(tmp_path / "study")
    }
    assert {name: image.get_data_dtype() for name, image in kinds.items()} == {"whole": np.int16, "part": np.float32}


def test_two_processes_give_the_same(export: Path, tmp_path: Path) -> None:
    run(export, tmp_path / "one")
    run(export, tmp_path / "two", workers=2)
    for file in sorted((tmp_path / "one").rglob("*")):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes(), file.name


def test_a_cohort_is_never_replaced_in_silence(export: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    run(export, study)
    before = (study / "cohort.csv").read_text()
    edited = before.replace("tubular", "late")
    (study / "cohort.csv").write_text(edited)
    with pytest.raises(BadInput, match=r"is there already.*--overwrite"):
        run(export, study)
    assert (study / "cohort.csv").read_text() == edited
    assert run(export, study, overwrite=True).kept == 6
    assert (study / "cohort.csv").read_text() == before


def test_the_empty_cohort_of_init_may_go(export: Path, tmp_path: Path) -> None:
    from medcl.workflows.init import InitOptions, init

    init(InitOptions(study=tmp_path / "study"))
    assert run(export, tmp_path / "study").images == 6


def test_an_interrupted_run_goes_on_and_a_changed_series_is_made_again(export: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    run(export, study)
    (study / "images/A1_E1_water.nii.gz").unlink()
    damaged = study / "images/B2_E1_water.nii.gz"
    damaged.write_bytes(b"half a file")
    path = export / "B2/ST0/SE2/IM0"
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.PixelData[::-1]
    dataset.save_as(path)
    os.utime(path, (1, 1))
    assert run(export, study, overwrite=True).kept == 3
    assert gzip.decompress(damaged.read_bytes())


def test_exams_from_folders_and_repeats(tmp_path: Path) -> None:
    for seed, (folder, words) in enumerate((("A1/D15/x", "art"), ("A1/M3/x", "art"), ("A1/M3/y", "art"))):
        scan(tmp_path / "export" / folder, seed=seed, SeriesDescription=words, AcquisitionTime=f"1000{seed:02d}")
    made = run(tmp_path / "export", tmp_path / "study")
    assert names(tmp_path / "study") == [
        ("A1", "D15", "arterial"),
        ("A1", "M3", "arterial-1"),
        ("A1", "M3", "arterial-2"),
    ]
    assert "days" not in table(tmp_path / "study/cohort.csv")[0]
    assert any("several series of one name" in note and "A1 M3" in note for note in made.notes)


def test_phases_split_over_series_are_numbered_by_time(tmp_path: Path) -> None:
    for number, seconds in ((5, 40), (6, 0), (7, 20)):
        described = {"SeriesDescription": "dyn", "SeriesNumber": number, "AcquisitionTime": f"1000{seconds:02d}"}
        scan(tmp_path / "export" / str(number), seed=number, StudyInstanceUID="1.2.3", **described)
    run(tmp_path / "export", tmp_path / "study")
    rows = {row["sequence"]: (row["source"], row["seconds"]) for row in table(tmp_path / "study/series.csv")}
    assert rows == {"dyn-1": ("6", "0"), "dyn-2": ("7", "20"), "dyn-3": ("5", "40")}


def test_phases_of_one_series_become_images_with_times(tmp_path: Path) -> None:
    voxels = np.concatenate([phantoms.noise(4, seed=seed) for seed in range(3)])
    positions = [[f"{mm:.9g}" for mm in (AXIAL @ phantoms.place(index % 4))[:3, 3]] for index in range(12)]
    times = [f"1000{10 * (index // 4):02d}" for index in range(12)]
    fields = {"ImagePositionPatient": positions, "AcquisitionTime": times, "SeriesDescription": "LAVA dyn"}
    phantoms.write_stack(tmp_path / "export", voxels, AXIAL, **fields)
    run(tmp_path / "export", tmp_path / "study", sequences="arterial=dyn #2,other=dyn")
    rows = [(row["sequence"], row["phase"], row["seconds"]) for row in table(tmp_path / "study/series.csv")]
    assert rows == [("other-p1", "1 of 3", "0"), ("arterial", "2 of 3", "10"), ("other-p3", "3 of 3", "20")]


@pytest.fixture
def follow_up(tmp_path: Path) -> Path:
    """Patients with exams 14, 92 and 400 days after 1 January 2020; B2 is in no table."""
    for seed, date in enumerate(("20200115", "20200402", "20210204")):
        uid = f"1.2.9.{seed}"
        scan(tmp_path / f"export/x{seed}", "A-01", seed, StudyDate=date, StudyInstanceUID=uid, SeriesDescription="T2")
    scan(tmp_path / "export/b", "B2", 9, StudyDate="20200120", StudyInstanceUID="1.2.9.9", SeriesDescription="T2")
    (tmp_path / "dates.csv").write_text("Patient ID;transplant date\na01;01.01.2020\nC3;02.01.2020\n")
    return tmp_path


def test_exams_by_days_after_a_reference_date(follow_up: Path) -> None:
    reference = (str(follow_up / "dates.csv"), "Transplant_Date")
    made = run(follow_up / "export", follow_up / "a", reference_date=reference, exams="D15,D30,M3,M12")
    found = [(row["patient"], row["exam"], row["days"]) for row in table(follow_up / "a/cohort.csv")]
    assert found == [("A-01", "D15", "14"), ("A-01", "M3", "92"), ("A-01", "M12", "400"), ("B2", "E1", "")]
    assert any("1 patients have no reference date" in note and "B2" in note for note in made.notes)
    run(follow_up / "export", follow_up / "b", reference_date=reference)
    assert [row["exam"] for row in table(follow_up / "b/cohort.csv")] == ["D14", "D92", "D400", "E1"]


def test_without_a_reference_date_exams_are_numbered_and_days_count_from_the_first(follow_up: Path) -> None:
    made = run(follow_up / "export", follow_up / "a")
    found = [(row["patient"], row["exam"], row["days"]) for row in table(follow_up / "a/cohort.csv")]
    assert found == [("A-01", "E1", "0"), ("A-01", "E2", "78"), ("A-01", "E3", "386"), ("B2", "E1", "0")]
    assert any("first examination" in note for note in made.notes)
    assert not any("2020" in cell for row in table(follow_up / "a/cohort.csv") for cell in row.values())


@pytest.mark.parametrize(
    ("content", "column", "told"),
    [
        ("patient,tx\nA-01,2020-01-01\n", "transplantation", "has no column 'transplantation'"),
        ("name,tx\nA-01,2020-01-01\n", "tx", "has no column 'patient'"),
        ("patient,tx\nZ9,2020-01-01\n", "tx", "none of its 1 patients"),
        ("patient,tx\nA-01,soon\n", "tx", "expected a date"),
        ("patient,tx\nA-01,2020-01-01\nA-01,2020-01-02\n", "tx", "has two dates"),
    ],
)
def test_reference_tables_that_cannot_be_used(follow_up: Path, content: str, column: str, told: str) -> None:
    (follow_up / "dates.csv").write_text(content)
    with pytest.raises(BadInput, match=told):
        run(follow_up / "export", follow_up / "a", reference_date=(str(follow_up / "dates.csv"), column))
    assert not (follow_up / "a/cohort.csv").exists()


def test_patients_from_folders(tmp_path: Path) -> None:
    for seed, folder in enumerate(("anna", "bert")):
        scan(tmp_path / "export" / folder / "D15", "ANON", seed, SeriesDescription="T2")
    made = run(tmp_path / "export", tmp_path / "a")
    assert any("--patient-from folder" in note for note in made.notes)
    assert {row[0] for row in names(tmp_path / "a")} == {"ANON"}
    run(tmp_path / "export", tmp_path / "b", patient_from="folder")
    assert names(tmp_path / "b") == [("anna", "D15", "t2"), ("bert", "D15", "t2")]


def test_a_missing_id_is_that_of_the_folder_and_none_at_all_is_told(tmp_path: Path) -> None:
    scan(tmp_path / "export/carl", "", SeriesDescription="T2")
    scan(tmp_path / "export", "unknown", 1, SeriesDescription="T2")
    run(tmp_path / "export", tmp_path / "study")
    assert [row[0] for row in names(tmp_path / "study")] == ["carl"]
    notes = [row["note"] for row in table(tmp_path / "study/series.csv") if row["used"] == "no"]
    assert notes == ["no patient: neither the header nor a folder names one"]


def test_components_and_words_can_be_chosen(export: Path, tmp_path: Path) -> None:
    run(export, tmp_path / "study", components="water,fat,magnitude", leave_out="tub")
    found = {row[2] for row in names(tmp_path / "study")}
    assert found == {"water", "arterial", "arterial-fat", "3-plane-loc"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"sequences": ["art"]}, "NAME=PATTERN"),
        ({"components": ["bone"]}, "magnitude, water, fat"),
        ({"exams": ["ED"]}, "tells no time"),
        ({"exams": ["D15"]}, "needs --reference-date"),
    ],
)
def test_options_that_cannot_be_used(export: Path, tmp_path: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        run(export, tmp_path / "study", **options)


def test_the_same_voxels_twice_are_dropped_and_told(tmp_path: Path) -> None:
    scan(tmp_path / "export/a", seed=1, SeriesDescription="T2 first", SeriesNumber=1)
    scan(tmp_path / "export/b", seed=1, SeriesDescription="T2 again", SeriesNumber=2)
    run(tmp_path / "export", tmp_path / "study")
    assert [row[2] for row in names(tmp_path / "study")] == ["t2-first"]
    assert [row["note"] for row in table(tmp_path / "study/series.csv")][1] == "the same voxels as A1 E1 t2-first"
    assert [file.name for file in (tmp_path / "study/images").iterdir()] == ["A1_E1_t2-first.nii.gz"]


def test_damaged_pixels_cost_one_series(export: Path, tmp_path: Path) -> None:
    path = export / "A1/ST0/SE1/IM2"
    dataset = pydicom.dcmread(path)
    dataset.compress(pydicom.uid.RLELossless)
    dataset.PixelData = dataset.PixelData[:30] + bytes(40)
    dataset.save_as(path)
    made = run(export, tmp_path / "study")
    assert made.images == 5
    notes = [row["note"] for row in table(tmp_path / "study/series.csv") if row["sequence"] == "arterial"]
    assert notes[0] == "its pixels are damaged or cannot be decoded (RLE Lossless)"


def test_nothing_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export/text").write_text("x")
    with pytest.raises(BadInput, match=r"none of 1 files gives an image[\s\S]*1 x is no DICOM file"):
        run(tmp_path / "export", tmp_path / "study")
    assert (tmp_path / "study/series.csv").exists()
    assert not (tmp_path / "study/cohort.csv").exists()
    with pytest.raises(BadInput, match="does not exist"):
        run(tmp_path / "nowhere", tmp_path / "study")


def nifti(path: Path, seed: int = 0, note: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).integers(0, 900, (5, 6, 4)).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))
    image.header["descrip"] = note
    image.to_filename(path)
    return path


def test_a_tree_of_nifti_files_stays_where_it_is(tmp_path: Path) -> None:
    root = tmp_path / "study/raw"
    nifti(root / "P1/D15/art.nii.gz", 1)
    nifti(root / "P1/D15/art_mask.nii.gz", 2)
    nifti(root / "P1/ses-M3/T2 haste.nii", 3)
    nifti(root / "P2_M12_tub.nii.gz", 4)
    run(root, tmp_path / "study")
    rows = table(tmp_path / "study/cohort.csv")
    assert [(row["patient"], row["exam"], row["sequence"], row["image"], row["mask"]) for row in rows] == [
        ("P1", "D15", "arterial", "raw/P1/D15/art.nii.gz", "raw/P1/D15/art_mask.nii.gz"),
        ("P1", "M3", "t2-haste", "raw/P1/ses-M3/T2 haste.nii", ""),
        ("P2", "M12", "tubular", "raw/P2_M12_tub.nii.gz", ""),
    ]
    assert not (tmp_path / "study/images").exists()


def everything_written(study: Path) -> str:
    """Names and contents, unpacked, of every file that is not private."""
    text = ""
    for file in study.rglob("*"):
        inside = file.relative_to(study)
        text += f"{inside}\n" if inside.parts[0] != "private" else ""
        if file.is_file() and inside.parts[0] != "private":
            content = file.read_bytes()
            content = gzip.decompress(content) if file.suffix == ".gz" else content
            text += content.decode("latin-1") + "\n"
    return text


def leaks(text: str, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret.casefold() in text.casefold()]


@pytest.fixture
def private_export(export: Path, tmp_path: Path) -> Path:
    """The export with ids and folder names to hide, descriptions that hold a name, and NIfTI files."""
    root = tmp_path / "Meyer_Export"
    for patient, hidden in (("A1", "PAT4711"), ("B2", "PAT0815")):
        shutil.copytree(export / patient, root / f"{hidden}-Zimmermann" / "D15")
        for path in (root / f"{hidden}-Zimmermann").rglob("IM*"):
            dataset = pydicom.dcmread(path)
            dataset.PatientID = hidden
            if "SE2" in str(path):
                dataset.SeriesDescription = "T2 for Secretname"
            dataset.save_as(path)
    nifti(root / "PAT1234-Huber/M3/tub_Huber.nii.gz", 5, note="Secretname 19510203")
    (root / "PAT1234-Huber/a: Huber.nii").write_bytes(b"Huber")
    (root / "PAT4711-Zimmermann" / "letter of Zimmermann.txt").write_text("x")
    (root / "PAT0815-Zimmermann" / "damaged Zimmermann").write_bytes(bytes(128) + b"DICM" + b"Secretname" * 30)
    return root


HIDDEN = [*SECRETS, "PAT4711", "PAT0815", "PAT1234", "Zimmermann", "Huber", "Meyer"]


def test_without_pseudonyms_names_and_dates_of_birth_stay_inside(
    export: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    run(export, tmp_path / "study")
    said = capfd.readouterr()
    assert not leaks(everything_written(tmp_path / "study") + said.out + said.err + caplog.text, SECRETS)


@pytest.mark.parametrize("workers", [1, 2])
def test_pseudonymized_nothing_leaks_anywhere(
    private_export: Path,
    tmp_path: Path,
    workers: int,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    study = tmp_path / "study"
    made = run(private_export, study, pseudonymize=True, workers=workers)
    said = capfd.readouterr()
    assert not leaks(everything_written(study) + said.out + said.err + caplog.text + repr(made), HIDDEN)
    found = names(study)
    assert {row[0] for row in found} == {"P001", "P002", "P003"}
    assert sorted(row[1:] for row in found) == sorted(
        [("D15", "arterial"), ("D15", "water"), ("D15", "mr-1")] * 2 + [("M3", "tubular")]
    )


def test_the_leak_test_sees_a_leak(private_export: Path, tmp_path: Path) -> None:
    """Without pseudonyms the ids and folders are there: the search finds what there is to find."""
    run(private_export, tmp_path / "study")
    found = leaks(everything_written(tmp_path / "study"), HIDDEN)
    assert {"PAT4711", "PAT0815", "PAT1234", "Zimmermann", "Huber", "Secretname"} <= set(found)


def test_errors_of_a_pseudonymized_run_name_nobody(private_export: Path, tmp_path: Path) -> None:
    for path in private_export.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(BadInput) as caught:
        run(private_export, tmp_path / "study", pseudonymize=True)
    assert not leaks(str(caught.value), HIDDEN)


def test_the_key_is_private_and_goes_on(private_export: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    run(private_export, study, pseudonymize=True)
    key_file = study / "private/key.csv"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE((study / "private/sources.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE((study / "private").stat().st_mode) == 0o700
    assert (study / "private/.gitignore").read_text() == "*\n"
    before = {row["patient"]: row["pseudonym"] for row in table(key_file)}
    assert set(before) == {"PAT4711", "PAT0815", "PAT1234-Huber"}
    scan(private_export / "new", "AAA-first-in-the-alphabet", 70, SeriesDescription="art")
    run(private_export, study, pseudonymize=True, overwrite=True)
    after = {row["patient"]: row["pseudonym"] for row in table(key_file)}
    assert after == before | {"AAA-first-in-the-alphabet": "P004"}
    sources = {row["source"]: row["path"] for row in table(study / "private/sources.csv")}
    series = table(study / "series.csv")
    assert all(row["source"] in sources for row in series)
    assert "description" not in series[0]


def test_pseudonymized_exams_keep_their_days(follow_up: Path) -> None:
    reference = (str(follow_up / "dates.csv"), "transplant date")
    made = run(follow_up / "export", follow_up / "a", reference_date=reference, pseudonymize=True)
    assert sorted(row["days"] for row in table(follow_up / "a/cohort.csv")) == ["", "14", "400", "92"]
    assert not leaks(" ".join(made.notes), ["A-01", "B2"])


@pytest.mark.parametrize("content", ["a,b\nP001,x\n", "pseudonym,patient\nP001,x\nP001,y\n"])
def test_a_damaged_key_is_refused(export: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "study/private").mkdir(parents=True)
    (tmp_path / "study/private/key.csv").write_text(content)
    with pytest.raises(BadInput, match="is no key table"):
        run(export, tmp_path / "study", pseudonymize=True)


def test_the_command_says_what_it_did_and_preprocess_takes_it_from_there(
    export: Path, tmp_path: Path, medcl: Any
) -> None:
    study = tmp_path / "study"
    code, said = medcl("preprocess", "--from", export, "--study", study, "--workers", "1")
    assert code == 0
    assert "6 images of 2 exams of 2 patients from 38 files." in said
    assert "1  a report" in said
    code, said = medcl("preprocess", "--study", study, "--size", "4", "6", "5", "--workers", "1")
    assert code == 0
    assert "6 images of 2 patients" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", ".", "--check"), "--check writes nothing"),
        (("--pseudonymize",), "give --from DIR too"),
        (("--from", ".", "--sequences", "art"), "NAME=PATTERN"),
    ],
)
def test_flags_that_do_not_fit(tmp_path: Path, medcl: Any, words: tuple[str, ...], told: str) -> None:
    code, said = medcl("preprocess", "--study", tmp_path, *words)
    assert code == 2
    assert told in said


def test_rules_in_medcl_toml(export: Path, tmp_path: Path, medcl: Any) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "medcl.toml").write_text('[preprocess]\nsequences = ["early=art", "flex=lava flex"]\n')
    assert medcl("preprocess", "--from", export, "--study", study, "--workers", "1")[0] == 0
    assert {row[2] for row in names(study)} == {"early", "flex-1", "flex-2"}


def test_images_are_not_written_among_what_is_read(export: Path) -> None:
    with pytest.raises(BadInput, match="holds the study folder itself"):
        run(export, export)
    with pytest.raises(BadInput, match="holds the study folder itself"):
        run(export, export / "study")
    assert not list(export.rglob("*.nii.gz"))


def test_patients_whose_files_would_have_one_name_are_refused(tmp_path: Path) -> None:
    scan(tmp_path / "export/a", "A:1", 1, SeriesDescription="T2")
    scan(tmp_path / "export/b", "A*1", 2, SeriesDescription="T2")
    with pytest.raises(BadInput, match="would be one file"):
        run(tmp_path / "export", tmp_path / "study")


def test_damaged_nifti_files_of_a_pseudonymized_run_are_told_without_their_names(tmp_path: Path) -> None:
    nifti(tmp_path / "export/P1/art.nii.gz", 1)
    (tmp_path / "export/P1/tub.nii.gz").write_bytes(b"Huber")
    run(tmp_path / "export", tmp_path / "study", pseudonymize=True)
    rows = {row["sequence"]: row["note"] for row in table(tmp_path / "study/series.csv")}
    assert rows["arterial"] == ""
    assert rows["tubular"].startswith("is no NIfTI file")


def test_pseudonymized_masks_are_copied_with_their_labels_or_told(tmp_path: Path) -> None:
    nifti(tmp_path / "export/Huber/art.nii.gz", 1)
    mask = nibabel.load(nifti(tmp_path / "export/Huber/art_seg.nii.gz", 2, note="Huber"))
    nifti(tmp_path / "export/Huber/tub.nii.gz", 3)
    (tmp_path / "export/Huber/tub_mask.nii.gz").write_bytes(b"no mask")
    run(tmp_path / "export", tmp_path / "study", pseudonymize=True)
    rows = {row["sequence"]: row for row in table(tmp_path / "study/cohort.csv")}
    assert {name: row["mask"] for name, row in rows.items()} == {
        "arterial": "images/P001_arterial_mask.nii.gz",
        "tubular": "",
    }
    copied = nibabel.load(tmp_path / "study/images/P001_arterial_mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(copied.dataobj), np.asarray(mask.dataobj))
    assert copied.get_data_dtype() == np.int16
    notes = {row["sequence"]: row["note"] for row in table(tmp_path / "study/series.csv")}
    assert notes["tubular"].startswith("used without its mask, which is no NIfTI file")
    assert not leaks(everything_written(tmp_path / "study"), ["Huber"])


def dynamic(root: Path) -> None:
    """A dynamic examination whose three phases are series of their own, the last one first."""
    shared = {"StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
    for place, number in enumerate((3, 1, 2)):
        described = {"SeriesDescription": f"VIBE dyn {number}/3", "SeriesNumber": place + 3}
        scan(root / f"A1/SE{place}", seed=number, AcquisitionTime=f"1000{number}0", **described, **shared)


def test_phases_that_are_series_of_their_own_are_named_as_phases(tmp_path: Path) -> None:
    dynamic(tmp_path / "export")
    run(tmp_path / "export", tmp_path / "study")
    assert [name for _, _, name in names(tmp_path / "study")] == ["vibe-dyn-p1", "vibe-dyn-p2", "vibe-dyn-p3"]
    rows = [row for row in table(tmp_path / "study/series.csv") if row["used"] == "yes"]
    assert [(row["phase"], row["seconds"]) for row in rows] == [("1 of 3", "0"), ("2 of 3", "10"), ("3 of 3", "20")]
    assert [row["source"] for row in rows] == ["A1/SE1", "A1/SE2", "A1/SE0"]
    assert {row["note"] for row in rows} == {"a phase whose other phases are series of their own"}


def test_rules_name_such_phases_by_number_or_by_their_own_words(tmp_path: Path) -> None:
    dynamic(tmp_path / "export")
    run(tmp_path / "export", tmp_path / "study", sequences=["arterial=dyn #2", "late=dyn 3", "any=vibe"])
    assert [name for _, _, name in names(tmp_path / "study")] == ["any-p1", "arterial", "late"]


def test_without_words_of_phases_series_stay_repeats(tmp_path: Path) -> None:
    dynamic(tmp_path / "export")
    run(tmp_path / "export", tmp_path / "study", phase_series=[])
    found = [name for _, _, name in names(tmp_path / "study")]
    assert found == ["vibe-dyn-1-3", "vibe-dyn-2-3", "vibe-dyn-3-3"]


def test_images_of_several_b_values_are_named_by_them(tmp_path: Path) -> None:
    shared = {"series": "1.2.9", "StudyInstanceUID": "1.2.3", "FrameOfReferenceUID": "1.2.4"}
    for number, value in enumerate((800.0, 0.0, 50.0)):
        scan(
            tmp_path / "export/A1/SE0",
            seed=number,
            DiffusionBValue=value,
            SeriesDescription="ep2d diff",
            **shared,
        )
    run(tmp_path / "export", tmp_path / "study")
    assert sorted(name for _, _, name in names(tmp_path / "study")) == [
        "ep2d-diff-b0",
        "ep2d-diff-b50",
        "ep2d-diff-b800",
    ]
    assert {row["phase"] for row in table(tmp_path / "study/series.csv")} == {""}
