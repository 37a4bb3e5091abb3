"""`medcl preprocess --slices`, training on slices and `medcl embed`, on a small study of images of several lengths."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from medcl.evaluation.feature_table import read_feature_table
from medcl.evaluation.saved_encoder import open_encoder
from medcl.imaging.store import FINGERPRINT, VolumeStore
from medcl.imaging.stored_volume import StoredVolume
from medcl.study.errors import BadInput
from medcl.workflows.preprocess import SLICE_SIZE, PreprocessOptions, preprocess

PLANE = (32, 32)
LENGTHS = (3, 5, 4)


def write_study(root: Path, patients: int = 6) -> Path:
    """Coronal images, 30 x 5 x 34 voxels (x y z) and the like; those of M3 with a mask."""
    rows = []
    for number in range(patients):
        for place, exam in enumerate(("D15", "M3")):
            name, random = f"P{number}_{exam}", np.random.default_rng(2 * number + place)
            voxels = random.normal(100, 20, (30, LENGTHS[(number + place) % 3], 34)).astype(np.float32)
            affine = np.diag([1.0, 6.0, 1.0 + 0.2 * number, 1.0])
            nibabel.Nifti1Image(voxels, affine).to_filename(root / f"{name}.nii.gz")
            mask = ""
            if exam == "M3":
                labels = np.zeros(voxels.shape, np.uint8)
                labels[10:20, 1:3, 10:20] = 1
                mask = f"{name}-mask.nii.gz"
                nibabel.Nifti1Image(labels, affine).to_filename(root / mask)
            split = ("train", "train", "train", "train", "val", "test")[number % 6]
            gfr = 40 * (number // 2) + 3 * (number % 2)
            rows.append([f"P{number}", exam, f"{name}.nii.gz", mask, gfr, split])
    with (root / "cohort.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["patient", "exam", "image", "mask", "gfr", "split"], *rows])
    return root


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path)


def run(study: Path, **options: Any) -> Any:
    return preprocess(
        PreprocessOptions(**{"study": study, "slices": "acquired", "slice_size": PLANE, "workers": 1} | options)
    )


def entries(study: Path, name: str = "default") -> list[StoredVolume]:
    return VolumeStore.open(study / "preprocessed" / name).entries


def test_every_image_keeps_its_slices(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="medcl")
    made = run(study)
    assert (made.images, made.slices, made.size) == (12, 48, (1, *PLANE))
    found = entries(study)
    assert {entry.shape for entry in found} == {(n, *PLANE) for n in LENGTHS}
    assert [entry.spacing[0] for entry in found] == pytest.approx([6.0] * 12)
    stored = json.loads((study / "preprocessed/default" / FINGERPRINT).read_text())["stored"]
    assert stored["slices"] == 48
    assert "12 of 12 images are larger than --slice-size 32 32 and were cut (up to 34 30 voxels, y x)" in caplog.text
    assert "(y 1-2, x 1-1 mm): --slice-spacing Y X makes them one" in caplog.text
    again = run(study)
    assert (again.prepared, again.kept, again.slices) == (0, 12, 48)


def test_a_slice_is_read_alone_and_equal_to_that_of_the_image(study: Path) -> None:
    run(study)
    store = VolumeStore.open(study / "preprocessed/default")
    assert store.sliced
    for entry in store.entries:
        whole, labels = store.read(entry), store.labels(entry)
        for number in range(entry.shape[0]):
            np.testing.assert_array_equal(store.read(entry, slice=number), whole[number : number + 1])
            if labels is not None:
                np.testing.assert_array_equal(store.labels(entry, number), labels[number : number + 1])
        with pytest.raises(IndexError, match=f"0 to {entry.shape[0] - 1}, not {entry.shape[0]}"):
            store.read(entry, slice=entry.shape[0])
        with pytest.raises(BadInput, match="buffer to fill"):
            store.read(entry, out=np.empty((1, 4, 4), np.float32), slice=0)


@pytest.mark.parametrize(
    "changed",
    [
        {"slices": "axial"},
        {"slice_size": (24, 40)},
        {"slice_spacing": (2.0, 2.0)},
        {"roi": "mask", "skip_bad": True},
        {"hu_window": (50.0, 150.0)},
    ],
)
def test_every_option_changes_the_slices_and_the_recipe(study: Path, changed: dict[str, Any]) -> None:
    run(study)
    run(study, name="other", **changed)
    one, other = ({e.case: e.volume_content for e in entries(study, name)} for name in ("default", "other"))
    assert all(one[case] != other[case] for case in other)
    with pytest.raises(BadInput, match="made with other options"):
        run(study, **changed)


def test_slices_and_volumes_lie_side_by_side(study: Path, medcl: Callable[..., tuple[int, str]]) -> None:
    settings = "[preprocess]\nsize = [4, 16, 16]\nspacing = [6.0, 2.0, 2.0]\nslice-size = [32, 32]\nslices = 'axial'\n"
    (study / "medcl.toml").write_text(settings)
    code, said = medcl("preprocess", "--study", study, "--name", "volumes", "--slices", "none")
    assert code == 0, said
    assert {entry.shape for entry in entries(study, "volumes")} == {(4, 16, 16)}
    options = ["--slices", "acquired", "--slice-spacing", "1.5", "1.5"]
    code, said = medcl("preprocess", "--study", study, *options)
    assert code == 0, said
    assert "12 images of 6 patients, 48 slices of 32 32 pixels (y x): 12 prepared" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--slices", "axial", "--size", "1", "32", "32"],
            "--size Z Y X is for volumes: with --slices, give --slice-s",
        ),
        (["--slices", "axial", "--spacing", "1", "2", "2"], "--spacing Z Y X is for volumes"),
        (["--slice-size", "32", "32"], "--slice-size is for slices: give --slices axial or acquired too"),
        (["--slice-spacing", "2", "2"], "--slice-spacing is for slices"),
        (["--slices", "axial", "--slice-size", "0", "32"], "all two numbers must be above 0"),
        (["--slices", "sagittal"], "--slices"),
    ],
)
def test_what_is_in_doubt_is_refused(
    study: Path, medcl: Callable[..., tuple[int, str]], words: list[str], told: str
) -> None:
    code, said = medcl("preprocess", "--study", study, *words)
    assert code == 2
    assert told in " ".join(said.split())


def test_unless_told_slices_have_the_default_size(study: Path) -> None:
    assert PreprocessOptions(study=study, slices="axial").recipe().size == (1, *SLICE_SIZE)
    assert PreprocessOptions(study=study).recipe().slices is None


def test_check_and_verify(study: Path, medcl: Callable[..., tuple[int, str]]) -> None:
    words = ["preprocess", "--study", study]
    code, said = medcl(*words, "--slices", "acquired", "--slice-size", *PLANE, "--check")
    assert (code, "12 images of 6 patients can be used" in said) == (0, True), said
    run(study)
    code, said = medcl(*words, "--verify")
    assert (code, "18 files" in said) == (0, True), said
    file = study / "preprocessed/default/volumes/P1_M3.npy"
    array = np.load(file)
    np.save(file, array[:-1])
    code, said = medcl(*words, "--verify")
    assert code == 2
    assert "P1_M3.npy: is another file" in said
    assert run(study).prepared == 1


def test_the_quality_page_tells_slices_and_shows_all_images_the_same_way_round(study: Path) -> None:
    axial, coronal = (run(study, slices=slices, name=slices).page.read_text() for slices in ("axial", "acquired"))
    assert "as acquired (across the coarsest spacing)" in coronal
    assert "48, 3 to 5 an image" in coronal
    assert "coronal 12" in coronal
    assert "axial 12" in axial
    widths = [
        {word for word in page.split() if word.startswith(("width=", "height="))}
        for page in (coronal, run(study, name="volumes", slices="none", size=(40, 5, 32)).page.read_text())
    ]
    assert widths[0] & widths[1], "the same planes, at the same place"


@pytest.mark.slow
def test_from_images_to_features(study: Path, medcl: Callable[..., tuple[int, str]]) -> None:
    run(study)
    settings = ["--network", "resnet10", "--epochs", "2", "--batch-size", "6", "--pairs-per-epoch", "12"]
    for method in (["--method", "simclr"], ["--method", "patient", "--pairs", "sampled"], ["--variable", "gfr"]):
        code, said = medcl("pretrain", "--study", study, *method, *settings, "--device", "cpu", "--precision", "fp32")
        assert code == 0, said
        assert "slices count as images: 32 slices of 8 images to train on" in said
    run_folder = study / "runs" / "simclr"
    card = json.loads((run_folder / "encoder.json").read_text())
    assert (card["slices"], card["architecture"]["size"]) == ("acquired", [1, *PLANE])
    code, said = medcl("embed", "--study", study, "--run", "simclr", "--device", "cpu", "--batch-size", "5")
    assert code == 0, said
    table = read_feature_table(study / "features" / "simclr.csv")
    store = VolumeStore.open(study / "preprocessed/default")
    module = open_encoder(run_folder, "encoder", torch.device("cpu")).module
    assert len(table.patients) == 12
    for patient, exam, row in zip(table.patients, table.exams, table.features, strict=True):
        entry = next(entry for entry in store.entries if (entry.patient, entry.exam) == (patient, exam))
        with torch.inference_mode():
            slices = torch.from_numpy(store.read(entry))[:, None, None]
            expected = torch.stack([module(each[None])[0] for each in slices]).mean(dim=0)
        np.testing.assert_allclose(row, expected.numpy(), rtol=1e-4, atol=1e-6)
    code, said = medcl("preprocess", "--study", study, "--slices", "axial", "--slice-size", *PLANE, "--overwrite")
    assert code == 0, said
    code, said = medcl("embed", "--study", study, "--run", "simclr", "--device", "cpu", "--overwrite")
    assert code == 2
    assert "slices: acquired there, axial now" in said


def test_a_size_of_volumes_is_not_ignored_because_medcl_toml_makes_slices(tmp_path: Path) -> None:
    (tmp_path / "medcl.toml").write_text('[preprocess]\nslices = "acquired"\nslice-size = [96, 96]\nsize = [8, 8, 8]\n')
    with pytest.raises(BadInput, match=r"--size Z Y X is for volumes, and medcl\.toml makes slices"):
        PreprocessOptions.resolve({"study": tmp_path, "size": ("16", "64", "64")})
    volumes = PreprocessOptions.resolve({"study": tmp_path, "size": ("16", "64", "64"), "slices": "none"})
    assert volumes.recipe().size == (16, 64, 64)
    assert PreprocessOptions.resolve({"study": tmp_path}).recipe().size == (1, 96, 96)
