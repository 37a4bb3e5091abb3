"""`medcl preprocess --verify` names every file that is not as it was written, and no other."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medcl.cli.app import main
from medcl.imaging.store import FINGERPRINT, MANIFEST
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.preprocess import PreprocessOptions, preprocess, preprocess_or_ingest
from medcl.workflows.verify import Verified, verify

COUNT = 4


@pytest.fixture
def study(tmp_path: Path) -> Path:
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[2:4, 2:4, 2:4] = 3
    nibabel.Nifti1Image(labels, np.diag([1.0, 2, 3, 1])).to_filename(tmp_path / "mask.nii")
    for n in range(COUNT):
        voxels = np.random.default_rng(n).normal(0, 1, (6, 6, 6)).astype(np.float32)
        nibabel.Nifti1Image(voxels, np.diag([1.0, 2, 3, 1])).to_filename(tmp_path / f"{n}.nii")
    lines = ["patient,image,mask", *(f"P{n},{n}.nii,{'mask.nii' if n == 0 else ''}" for n in range(COUNT))]
    (tmp_path / "cohort.csv").write_text("\n".join(lines) + "\n")
    prepare(tmp_path)
    return tmp_path


def prepare(study: Path) -> None:
    preprocess(PreprocessOptions(study=study, size=(4, 4, 4), workers=1))


def faults(study: Path, workers: int = 1) -> list[str]:
    with pytest.raises(BadInput) as caught:
        verify(Study.find(study), "default", workers)
    assert caught.value.problems[0].endswith("read:")
    assert "--name default" in caught.value.problems[-1]
    return caught.value.problems[1:-1]


def flip_a_bit(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def test_a_whole_store_is_said_to_be_whole(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.stat().st_mtime_ns for file in study.rglob("*")}
    assert preprocess_or_ingest(PreprocessOptions(study=study, verify=True, workers=2)) == Verified(
        study / "preprocessed/default", COUNT + 1, 0
    )
    with pytest.raises(SystemExit) as stop:
        main(["preprocess", "--study", str(study), "--verify", "--workers", "1"])
    assert not stop.value.code
    assert "5 files of" in capsys.readouterr().out
    assert {file: file.stat().st_mtime_ns for file in study.rglob("*")} == before


@pytest.mark.parametrize("name", ["volumes/P1.npy", "labels/P0.npy"])
@pytest.mark.parametrize("at", [-1, 130])
def test_a_single_bit_is_found(study: Path, name: str, at: int) -> None:
    flip_a_bit(study / "preprocessed/default" / name, at)
    (fault,) = faults(study)
    assert fault.endswith(f"{name}: is damaged, its voxels are not those that were written.")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_fault_is_named(study: Path, workers: int) -> None:
    store = study / "preprocessed/default"
    (store / "volumes/P0.npy").unlink()
    (store / "volumes/P1.npy").write_bytes((store / "volumes/P1.npy").read_bytes()[:-3])
    with (store / "volumes/P2.npy").open("ab") as file:
        file.write(b"more")
    np.save(store / "volumes/P3.npy", np.zeros((3, 4, 4), np.float16))
    np.save(store / "volumes/P9.npy", np.zeros((4, 4, 4), np.float16))
    (store / "labels/.unfinished-1").write_bytes(b"")
    found = [line.split("/preprocessed/default/")[1] for line in faults(study, workers)]
    expected = ["volumes/P0.npy: is missing", "volumes/P1.npy: is damaged, it cannot be read"]
    expected += ["volumes/P2.npy: is damaged, bytes stand behind", "volumes/P3.npy: is another file"]
    expected += ["labels/.unfinished-1: was left", "volumes/P9.npy: is extra"]
    assert len(found) == len(expected)
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start)


def test_what_was_named_is_prepared_again(study: Path) -> None:
    file = study / "preprocessed/default/volumes/P1.npy"
    whole = file.read_bytes()
    flip_a_bit(file, -1)
    faults(study)
    file.unlink()
    prepare(study)
    assert file.read_bytes() == whole
    assert verify(Study.find(study), "default", 1).files == COUNT + 1


def test_a_changed_manifest_is_found(study: Path) -> None:
    manifest = study / "preprocessed/default" / MANIFEST
    rows = list(csv.DictReader(manifest.open(newline="")))
    rows[1]["affine"] = rows[1]["affine"].replace("3.0", "4.0")
    write(manifest, rows)
    (fault,) = faults(study)
    assert "manifest.csv or recipe.json was changed" in fault
    (study / "preprocessed/default" / FINGERPRINT).write_text("[]")
    with pytest.raises(BadInput, match="is no fingerprint"):
        verify(Study.find(study), "default", 1)


def write(manifest: Path, rows: list[dict[str, str]]) -> None:
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_a_store_of_an_earlier_version_is_read_and_looked_at(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = study / "preprocessed/default" / MANIFEST
    older = [
        {name: text for name, text in row.items() if name != "volume_content"}
        for row in csv.DictReader(manifest.open(newline=""))
    ]
    write(manifest, older)
    assert verify(Study.find(study), "default", 1).without_hash == COUNT
    with pytest.raises(SystemExit):
        main(["preprocess", "--study", str(study), "--verify", "--workers", "1"])
    assert "Of 4 of them the store notes no hash" in capsys.readouterr().out
    np.save(study / "preprocessed/default/volumes/P1.npy", np.full((4, 4, 4), np.nan, np.float16))
    (fault,) = faults(study)
    assert "numbers outside of 0 to 1" in fault


def test_without_a_store_the_command_that_makes_one_is_named(study: Path) -> None:
    with pytest.raises(BadInput, match="`medcl preprocess --name other` makes them"):
        verify(Study.find(study), "other", 1)
