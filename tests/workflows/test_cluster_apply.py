"""`medcl cluster apply`: the prototypes stay, and images that the run knows are known again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.cluster_apply import ClusterApplied, ClusterApplyOptions, cluster_apply
from medcl.workflows.cluster_train import cluster_train
from medcl.workflows.preprocess import PreprocessOptions, preprocess
from tests.workflows.cluster_study import PARTS, VOLUME, npz_study, quick, shape, table, volume_study, write_npz


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with a run, `a`, of a file."""
    study, file = npz_study(tmp_path_factory.mktemp("apply") / "study")
    cluster_train(quick(study, npz=file, name="a", class_names="disc,cross,frame", stability=0))
    return study


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study with a run, `v`, of its volumes."""
    study = volume_study(tmp_path_factory.mktemp("apply volumes") / "study")
    cluster_train(quick(study, name="v", stability=0))
    return study


def apply(study: Study, **options: Any) -> ClusterApplied:
    return cluster_apply(
        ClusterApplyOptions(**{"study": study.root, "device": "cpu", "maps": "pca", "pictures": 2, **options})
    )


def sides(done: ClusterApplied) -> dict[str, str]:
    return {row["case"]: row["split"] for row in table(done.folder / "assignments.csv")}


def refused(study: Study, told: str, **options: Any) -> BadInput:
    with pytest.raises(BadInput, match=told) as caught:
        apply(study, **options)
    assert not (study.clusters / "refused").exists()
    return caught.value


# --- of a file -----------------------------------------------------------------------------------------------------


def test_the_runs_own_images_get_the_runs_own_clusters(shapes: Study) -> None:
    done = apply(shapes)
    assert done.folder == shapes.clusters / "a"
    for name in ("assignments.csv", "strata.csv"):
        assert (done.folder / name).read_bytes() == (shapes.runs / "a" / name).read_bytes()
    for file in (shapes.runs / "a").glob("*/*.png"):
        assert (done.folder / file.parent.name / file.name).read_bytes() == file.read_bytes()
    assert not (done.folder / "stability.json").exists()
    assert done.images == sum(PARTS.values())
    assert sum(sum(cluster.values()) for cluster in done.sizes) == done.images
    assert sum(cluster.get("train", 0) for cluster in done.sizes) == PARTS["train"]
    assert "cluster apply" in done.page.read_text()


def test_images_of_another_file_are_new_whatever_their_names(shapes: Study, tmp_path: Path) -> None:
    file = write_npz(tmp_path / "other.npz", first=500)
    done = apply(shapes, npz=file, name="other")
    assert set(sides(done).values()) == {"new"}
    assert "36 of 36 images are new" in done.page.read_text()
    before = {row["case"]: row["p1"] for row in table(shapes.runs / "a" / "assignments.csv")}
    now = {row["case"]: row["p1"] for row in table(done.folder / "assignments.csv")}
    assert before.keys() == now.keys()
    assert before != now


def test_a_copy_under_another_name_is_known_again(shapes: Study, tmp_path: Path) -> None:
    with np.load(shapes.root / "shapes.npz") as arrays:
        copies = np.stack([arrays["val_images"][1], arrays["train_images"][5], arrays["test_images"][0]])
    file = write_npz(tmp_path / "copies.npz", first=500, test_images=copies, test_labels=None)
    found = sides(apply(shapes, npz=file, name="copies"))
    assert [found.pop(f"test-{number:05d}") for number in range(3)] == ["val", "train", "test"]
    assert set(found.values()) == {"new"}


def test_images_of_another_size_are_refused(shapes: Study, tmp_path: Path) -> None:
    file = write_npz(tmp_path / "large.npz", side=20)
    refused(
        shapes, r"large\.npz: the images are 1 20 20 voxels \(z y x\), and the run a was trained on 1 16 16", npz=file
    )


def test_results_are_replaced_when_asked_and_whole(shapes: Study, tmp_path: Path) -> None:
    first = apply(shapes, name="twice")
    with pytest.raises(BadInput, match=r"twice/assignments\.csv exists\. Replace it with --overwrite"):
        apply(shapes, name="twice")
    old = {file.name for file in (first.folder / "reconstructions").iterdir()}
    file = write_npz(tmp_path / "new.npz", 900, test_images=None, test_labels=None, val_images=None, val_labels=None)
    again = apply(shapes, npz=file, name="twice", overwrite=True)
    assert again.images == PARTS["train"]
    assert not old & {file.name for file in (again.folder / "reconstructions").iterdir()}


def test_the_file_of_the_run_is_gone(shapes: Study, tmp_path: Path) -> None:
    root = tmp_path / "study"
    shutil.copytree(shapes.root, root)
    study, file = Study(root), shapes.root / "shapes.npz"
    away = file.rename(tmp_path / "away.npz")
    try:
        refused(study, r"shapes\.npz, the file that the run a was trained on, is not there: give it with --npz")
        assert set(sides(apply(study, npz=away, name="moved")).values()) == {"train", "val", "test"}
    finally:
        away.rename(file)


def test_a_study_for_a_run_of_a_file_is_refused(shapes: Study, volumes: Study) -> None:
    told = r"The run a was trained on images of a file \(shapes\.npz\), .* give a file of such images with --npz"
    refused(shapes, told, preprocessed="default")
    refused(volumes, told, run=str(shapes.runs / "a"))


def test_a_run_of_another_study_by_its_folder(shapes: Study, volumes: Study) -> None:
    done = apply(volumes, run=str(shapes.runs / "a"), npz=shapes.root / "shapes.npz", name="foreign")
    assert done.folder == volumes.clusters / "foreign"
    assert sides(done) == {row["case"]: row["split"] for row in table(shapes.runs / "a" / "assignments.csv")}


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("b", "--run b: no such run in .*; there are a"),
        ("unfinished", "--run unfinished: the run is failed, so it has no network yet. .*medcl cluster train --name"),
        ("other", "--run other: this is a run of `medcl pretrain`, not of `medcl cluster train`"),
    ],
)
def test_runs_that_cannot_be_applied(shapes: Study, tmp_path: Path, run: str, told: str) -> None:
    from medcl.study.runs import create_run

    shutil.copytree(shapes.root, tmp_path / "study")
    study = Study(tmp_path / "study")
    create_run(study, "cluster", "unfinished", "x", False).fail("no")
    create_run(study, "pretrain", "other", "x", False).finish(outputs=[], seconds=1)
    refused(study, told, run=run)


def test_without_any_run_the_next_command_is_told(tmp_path: Path) -> None:
    (tmp_path / "medcl.toml").write_text("")
    with pytest.raises(BadInput, match="medcl cluster train"):
        apply(Study(tmp_path))


@pytest.mark.parametrize("name", ["", "a/b", ".hidden"])
def test_names_that_are_no_folders(shapes: Study, name: str) -> None:
    with pytest.raises(BadInput, match="give a plain folder name"):
        apply(shapes, name=name)


# --- of a study ----------------------------------------------------------------------------------------------------


def test_volumes_get_the_runs_own_clusters(volumes: Study) -> None:
    done = apply(volumes, no_ids=True)
    assert (done.folder / "assignments.csv").read_bytes() == (volumes.runs / "v" / "assignments.csv").read_bytes()
    assert sorted(file.name for file in (done.folder / "prototypes").iterdir())[0] == "cluster-1.nii.gz"
    assert not re.search(r"P00\d(?!\d)", done.page.read_text())


def test_new_patients_are_new_and_copies_are_known(volumes: Study, tmp_path: Path) -> None:
    root = tmp_path / "study"
    shutil.copytree(volumes.root, root)
    shutil.copy(root / "images" / "P001_M3.nii.gz", root / "images" / "P011_M3.nii.gz")
    voxels = 700 * np.broadcast_to(shape(1, 77), VOLUME)
    nibabel.Nifti1Image(voxels.T, np.diag([2.0, 2.0, 3.0, 1.0])).to_filename(root / "images" / "P010_D15.nii.gz")
    with (root / "cohort.csv").open("a") as cohort:
        cohort.write("P010,D15,images/P010_D15.nii.gz,,55,a,same\nP011,M3,images/P011_M3.nii.gz,,44,a,same\n")
    text = (root / "cohort.csv").read_text().splitlines()
    without_split = [",".join(cell for place, cell in enumerate(line.split(",")) if place != 3) for line in text]
    (root / "cohort.csv").write_text("\n".join(without_split) + "\n")
    preprocess(PreprocessOptions(study=root, size=VOLUME, workers=1, quality=False))
    found = sides(apply(Study(root), name="more"))
    assert found.pop("P010_D15") == "new"
    assert found.pop("P011_M3") == "train"
    assert found == {row["case"]: row["split"] for row in table(volumes.runs / "v" / "assignments.csv")}


def test_patients_of_another_study_are_new_although_they_are_called_alike(volumes: Study, tmp_path: Path) -> None:
    other = volume_study(tmp_path / "other")
    for file in (other.root / "images").iterdir():
        image = nibabel.load(file)
        nibabel.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine).to_filename(file)
    preprocess(PreprocessOptions(study=other.root, size=VOLUME, workers=1, quality=False))
    done = apply(other, run=str(volumes.runs / "v"))
    assert done.folder == other.clusters / "v"
    assert set(sides(done).values()) == {"new"}


def test_another_recipe_is_refused_with_what_differs(volumes: Study) -> None:
    preprocess(PreprocessOptions(study=volumes.root, size=(8, 14, 14), name="small", workers=1, quality=False))
    error = refused(volumes, "another recipe", preprocessed="small")
    told = " ".join(error.problems)
    assert "preprocessed/small" in told
    assert "size: 8 16 16 there, 8 14 14 now" in told


def test_a_file_for_a_run_of_a_study_is_refused(volumes: Study, tmp_path: Path) -> None:
    file = write_npz(tmp_path / "shapes.npz")
    refused(volumes, r"--npz .*shapes\.npz: the run v was trained on images of a study", npz=file, run="v")
