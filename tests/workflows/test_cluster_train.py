"""`medcl cluster train`: what a run leaves behind, of a file of images, of volumes and of slices."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from medcl.evaluation.saved_clustering import load_clustering
from medcl.imaging.store import VolumeStore
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.cluster_train import Clustered, cluster_train
from tests.workflows.cluster_study import (
    PARTS,
    PATIENTS,
    VOLUME,
    npz_study,
    numbers,
    quick,
    read_png,
    table,
    volume_study,
    write_npz,
)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    return npz_study(tmp_path_factory.mktemp("cluster") / "study")


@pytest.fixture(scope="module")
def done(shapes: tuple[Study, Path]) -> Clustered:
    study, file = shapes
    return cluster_train(quick(study, npz=file, name="shapes", class_names="disc,cross,frame", maps="pca,tsne"))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return volume_study(tmp_path_factory.mktemp("volumes") / "study")


@pytest.fixture(scope="module")
def of_volumes(volumes: Study) -> Path:
    return trained(volumes, name="volumes", no_ids=True, color="site", variables="gfr")


@pytest.fixture(scope="module")
def of_slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(volume_study(tmp_path_factory.mktemp("slices") / "study", sliced=True), name="slices", batch_size=64)


def trained(study: Study, **changed: Any) -> Path:
    run = cluster_train(quick(study, **changed)).run
    assert run is not None
    return run.path


def folder(done: Clustered) -> Path:
    assert done.run is not None
    return done.run.path


# --- a file of images ----------------------------------------------------------------------------------------------


def test_every_image_has_a_row_held_out_ones_too(done: Clustered) -> None:
    rows = table(folder(done) / "assignments.csv")
    names = ["case", "patient", "exam", "sequence", "split", "cluster", "p1", "p2", "p3", "distance", "error"]
    assert list(rows[0]) == names
    expected = {f"{part}-{number:05d}": part for part, count in PARTS.items() for number in range(count)}
    assert {row["case"]: row["split"] for row in rows} == expected
    assert len(rows) == len(expected)
    assert {row["cluster"] for row in rows} <= {"1", "2", "3"}
    for row in rows:
        soft = [float(row[f"p{number}"]) for number in (1, 2, 3)]
        assert sum(soft) == pytest.approx(1, abs=1e-5)
        assert int(row["cluster"]) == int(np.argmax(soft)) + 1
        assert float(row["distance"]) >= 0
        assert float(row["error"]) > 0


def test_the_sizes_are_those_of_the_training_images(done: Clustered) -> None:
    rows = table(folder(done) / "assignments.csv")
    train = [int(row["cluster"]) - 1 for row in rows if row["split"] == "train"]
    assert done.sizes == np.bincount(train, minlength=3).tolist()
    assert sum(done.sizes) == PARTS["train"]


def test_pictures_of_prototypes_and_reconstructions(done: Clustered) -> None:
    pictures = sorted(str(file.relative_to(folder(done))) for file in folder(done).glob("*/*.png"))
    assert pictures == [
        *(f"prototypes/cluster-{number}.png" for number in (1, 2, 3)),
        *(f"reconstructions/test-{number:05d}.png" for number in (0, 5)),
    ]
    network = load_clustering(folder(done), torch.device("cpu")).network
    with torch.inference_mode():
        expected = network.prototype_images()[:, 0, 0].clamp(0, 1).numpy()
    for number, image in enumerate(expected, start=1):
        shown = read_png(folder(done) / "prototypes" / f"cluster-{number}.png")
        np.testing.assert_allclose(shown / 255, image, atol=0.003)  # of a file as stored, not as radiologists hang it


def test_networks_for_apply_and_embed(done: Clustered) -> None:
    path = folder(done)
    saved = load_clustering(path, torch.device("cpu"))
    assert (saved.clusters, saved.size) == (3, (1, 16, 16))
    card = json.loads((path / "clustering.json").read_text())
    assert (card["npz"], card["method"], card["clusters"], card["epoch"]) == ("shapes.npz", "cluster", 3, 4)
    assert {"network": "conv3", "most": 3, "assign": "cosine", "temperature": 0.1}.items() <= card[
        "architecture"
    ].items()
    for stem in ("encoder", "projection"):
        assert (path / f"{stem}.safetensors").is_file()
        assert (path / f"{stem}.json").is_file()


def test_the_record_of_the_run(done: Clustered) -> None:
    record = json.loads((folder(done) / "run.json").read_text())
    assert (record["kind"], record["status"]) == ("cluster", "finished")
    assert (folder(done).parent / "latest").read_text().strip() == "shapes"
    assert {"assignments.csv", "strata.csv", "stability.json", "clusters.html"} <= set(record["outputs"])
    assert all((folder(done) / name).exists() for name in record["outputs"])


def test_both_phases_stand_in_the_metrics(done: Clustered) -> None:
    header, *rows = numbers(folder(done))
    training = [dict(zip(header, row, strict=True)) for row in rows if row[2] == "train"]
    assert [bool(row["contrastive"]) for row in training] == [True, True, False, False]
    assert [bool(row["largest_cluster"]) for row in training] == [False, False, True, True]
    assert all(float(row["reconstruction"]) > 0 for row in training)
    assert sum(row[2] == "val" for row in rows) == 4


def test_stability_over_seeds_and_drawn_patients(done: Clustered) -> None:
    told = json.loads((folder(done) / "stability.json").read_text())
    assert (told["clusters"], told["rows"]) == (3, PARTS["train"])
    assert (len(told["seeds"]["values"]), len(told["bootstrap"]["values"])) == (1, 2)
    assert all(-1 <= value <= 1 for value in told["bootstrap"]["values"])


def test_classes_of_the_file_are_compared_with_the_clusters(done: Clustered) -> None:
    rows = table(folder(done) / "strata.csv")
    assert {(row["variable"], row["class"]) for row in rows} == {("label", name) for name in ("disc", "cross", "frame")}
    assert len(rows) == 9
    assert sum(int(row["count"]) for row in rows) == sum(PARTS.values())
    assert all(row["effect_name"] == "Cramer's V" for row in rows)


def test_the_page_shows_all_of_it(done: Clustered) -> None:
    assert done.page == folder(done) / "clusters.html"
    page = done.page.read_text()
    for part in ("maps-of-features", "prototypes", "strata", "sizes", "stability", "reconstructions"):
        assert f'id="{part}"' in page, part
    assert "t-SNE" in page
    assert "PCA" in page
    assert "test-00000" in page
    assert "disc" in page


def test_the_notes_name_the_file_and_not_a_table(shapes: tuple[Study, Path], caplog: pytest.LogCaptureFixture) -> None:
    study, file = shapes
    with caplog.at_level("INFO", logger="medcl"):
        cluster_train(quick(study, npz=file, dry_run=True))
    assert "24 training, 6 validation, 6 test images of 16 x 16" in caplog.text
    assert "the split of shapes.npz" in caplog.text
    assert "cohort.csv" not in caplog.text


def test_the_same_seed_gives_the_same_tables_and_another_one_others(
    shapes: tuple[Study, Path], done: Clustered
) -> None:
    study, file = shapes
    same = trained(study, npz=file, class_names="disc,cross,frame", name="same", workers=2)
    other = trained(study, npz=file, class_names="disc,cross,frame", name="other", seed=1)
    for name in ("assignments.csv", "strata.csv", "stability.json", "clustering.safetensors"):
        assert (same / name).read_bytes() == (folder(done) / name).read_bytes(), name
    assert numbers(same) == numbers(folder(done))
    assert (other / "assignments.csv").read_bytes() != (same / "assignments.csv").read_bytes()


def test_the_number_of_clusters_is_found(shapes: tuple[Study, Path]) -> None:
    study, file = shapes
    run = trained(study, npz=file, clusters="auto", most=5, stability=0, pictures=0, name="auto")
    found = load_clustering(run, torch.device("cpu"))
    assert 2 <= found.clusters <= 5
    assert found.card["architecture"]["most"] == 5
    rows = table(run / "assignments.csv")
    assert f"p{found.clusters}" in rows[0]
    assert f"p{found.clusters + 1}" not in rows[0]
    assert 'id="elbow"' in (run / "clusters.html").read_text()
    assert not (run / "stability.json").exists()
    assert not (run / "reconstructions").exists()
    assert "reconstructions" not in json.loads((run / "run.json").read_text())["outputs"]


def test_copies_across_the_split_are_left_out_or_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study, file = npz_study(tmp_path / "study")
    with np.load(file) as arrays:
        copied = arrays["val_images"].copy()
        copied[0] = arrays["train_images"][3]
    write_npz(file, val_images=copied)
    with caplog.at_level("INFO", logger="medcl"):
        run = trained(study, npz=file, name="left")
    assert "1 image of train stands in val too and is left out of train" in caplog.text
    cases = [row["case"] for row in table(run / "assignments.csv")]
    assert "train-00003" not in cases
    assert "val-00000" in cases
    assert len(cases) == sum(PARTS.values()) - 1
    caplog.clear()
    with caplog.at_level("INFO", logger="medcl"):
        kept = trained(study, npz=file, name="kept", copies="keep")
    assert "--copies keep: 1 image stands on two sides of the split" in caplog.text
    assert len(table(kept / "assignments.csv")) == sum(PARTS.values())


# --- volumes of a study --------------------------------------------------------------------------------------------


def test_volumes_leave_nifti_with_the_axes_of_the_store(of_volumes: Path) -> None:
    store = VolumeStore.open(of_volumes.parents[1] / "preprocessed" / "default")
    first = min(store.entries, key=lambda entry: entry.case)
    network = load_clustering(of_volumes, torch.device("cpu")).network
    with torch.inference_mode():
        expected = network.prototype_images()[:, 0].numpy()
    for number, image in enumerate(expected, start=1):
        found = nibabel.load(of_volumes / "prototypes" / f"cluster-{number}.nii.gz")
        np.testing.assert_allclose(found.affine, np.reshape(first.affine, (4, 4)), atol=1e-5)
        np.testing.assert_allclose(np.asarray(found.dataobj).T, image, atol=1e-3)
    rebuilt = sorted(file.name for file in (of_volumes / "reconstructions").iterdir())
    assert rebuilt == ["P009_D15.nii.gz", "P009_M3.nii.gz"], "held-out ones first"
    assert nibabel.load(of_volumes / "reconstructions" / rebuilt[0]).shape == VOLUME[::-1]


def test_exams_of_a_patient_are_rows_of_their_own(of_volumes: Path) -> None:
    rows = table(of_volumes / "assignments.csv")
    assert len(rows) == 2 * PATIENTS
    assert {row["exam"] for row in rows} == {"D15", "M3"}
    assert {row["patient"] for row in rows if row["split"] == "test"} == {"P009"}


def test_only_the_asked_variables_with_their_missing_patients(of_volumes: Path) -> None:
    rows = table(of_volumes / "strata.csv")
    assert {row["variable"] for row in rows} == {"gfr"}
    assert {row["unit"] for row in rows} == {"mL/min"}
    assert sum(int(row["missing"]) for row in rows) == 1, "P003"
    assert sum(int(row["known"]) for row in rows) == PATIENTS - 1


def test_a_page_without_names_holds_none(of_volumes: Path, volumes: Study) -> None:
    """The twin: without --no-ids they are there."""
    patients = re.compile(r"P00\d(?!\d)")
    page = (of_volumes / "clusters.html").read_text()
    assert not patients.findall(page)
    named = trained(volumes, name="named", stability=0)
    assert set(patients.findall((named / "clusters.html").read_text())) == {f"P{n:03d}" for n in range(PATIENTS)}
    assert {row["variable"] for row in table(named / "strata.csv")} == {"gfr", "note"}


def test_a_variable_stands_beside_the_clusters(of_volumes: Path) -> None:
    assert re.search(r"[Ss]ite", (of_volumes / "clusters.html").read_text())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"color": "gfrr"}, "gfrr"),
        ({"variables": "gfr,weight"}, "weight"),
        ({"no_ids": True, "color": "patient"}, "--no-ids does not go with --color patient"),
    ],
)
def test_a_page_that_cannot_be_is_refused_before_the_training(
    volumes: Study, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        cluster_train(quick(volumes, name="never", **changed))
    assert not (volumes.runs / "never").exists()


def test_copies_between_patients_of_a_study_are_refused(tmp_path: Path) -> None:
    import shutil

    from medcl.workflows.preprocess import PreprocessOptions, preprocess

    study = volume_study(tmp_path / "study")
    shutil.copy(study.root / "images/P000_D15.nii.gz", study.root / "images/P009_D15.nii.gz")
    preprocess(PreprocessOptions(study=study.root, size=VOLUME, workers=1, quality=False))
    with pytest.raises(BadInput, match=r"P000_D15.*P009_D15|P009_D15.*P000_D15"):
        cluster_train(quick(study))


# --- slices --------------------------------------------------------------------------------------------------------


def test_a_row_a_slice(of_slices: Path) -> None:
    rows = table(of_slices / "assignments.csv")
    assert list(rows[0])[:6] == ["case", "patient", "exam", "sequence", "slice", "split"]
    assert len(rows) == 2 * PATIENTS * 8
    assert [row["slice"] for row in rows if row["case"] == "P004_M3"] == [str(number) for number in range(8)]
    assert sorted(file.name for file in (of_slices / "prototypes").iterdir())[0] == "cluster-1.png"
    assert sorted(file.name for file in (of_slices / "reconstructions").iterdir()) == [
        "P009_D15-slice0.png",
        "P009_M3-slice7.png",
    ]
    told = table(of_slices / "strata.csv")
    assert sum(int(row["known"]) + int(row["missing"]) for row in told if row["variable"] == "gfr") == PATIENTS


def test_slices_of_patients_hang_as_radiologists_have_them(of_slices: Path) -> None:
    network = load_clustering(of_slices, torch.device("cpu")).network
    with torch.inference_mode():
        image = network.prototype_images()[0, 0, 0].clamp(0, 1).numpy()
    shown = read_png(of_slices / "prototypes" / "cluster-1.png") / 255
    np.testing.assert_allclose(shown, image[::-1, ::-1], atol=0.003)
    assert np.abs(shown - image).max() > 0.02
