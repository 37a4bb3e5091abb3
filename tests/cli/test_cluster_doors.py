"""`medcl cluster` from the command line: what is printed, what medcl.toml says, what other commands make of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medcl.evaluation.feature_table import read_feature_table
from medcl.methods.registry import CLUSTERING_METHODS
from medcl.study.folder import Study
from medcl.workflows.cluster_evaluate import ClusterEvaluateOptions
from medcl.workflows.cluster_train import ClusterTrainOptions
from tests.workflows.cluster_study import npz_study, table, volume_study

Medcl = Callable[..., tuple[int, str]]

SETTINGS = """[cluster.train]
clusters = 3
epochs = 4
batch-size = 12
maps = ["pca"]
stability = 2
pictures = 2
precision = "fp32"
device = "cpu"
"""


@pytest.fixture
def shapes(tmp_path: Path) -> tuple[Study, Path]:
    study, file = npz_study(tmp_path / "study")
    (study.root / "medcl.toml").write_text(SETTINGS)
    return study, file


def test_from_a_file_to_scores(shapes: tuple[Study, Path], medcl: Medcl, monkeypatch: pytest.MonkeyPatch) -> None:
    study, file = shapes
    monkeypatch.chdir(study.root)
    code, said = medcl("cluster", "train", "--npz", file.name, "--class-names", "disc,cross,frame")
    assert code == 0, said
    sizes = [row["cluster"] for row in table(study.runs / "cluster-3" / "assignments.csv") if row["split"] == "train"]
    counts = ", ".join(str(sizes.count(str(number))) for number in (1, 2, 3))
    assert f"3 clusters, of {counts} training images." in said
    assert f"Run cluster-3 is in {study.runs / 'cluster-3'}" in said
    assert f"Page: {study.runs / 'cluster-3' / 'clusters.html'}" in said
    assert "Next: medcl cluster apply --run cluster-3, for new images" in said
    record = json.loads((study.runs / "cluster-3" / "run.json").read_text())
    assert record["options"]["npz"] == str(file), "whole, so that it is found from everywhere"

    monkeypatch.chdir(study.root.parent)
    code, said = medcl("cluster", "apply", "--study", study.root, "--maps", "pca", "--device", "cpu")
    assert code == 0, said
    assert "Run: cluster-3, the newest finished one." in said
    assert "36 images put to the clusters of cluster-3 in" in said
    assert "Cluster 1: " in said
    assert f"Page: {study.clusters / 'cluster-3' / 'clusters.html'}" in said

    code, said = medcl(
        "cluster", "evaluate", "--study", study.root, "--device", "cpu", "--share", "0.5", "--repeats", 2
    )
    assert code == 0, said
    assert "test  map from clusters (clusters), 100% of the labels: accuracy " in said
    assert "test  linear layer (h), 50% of the labels: accuracy " in said
    assert f"Table: {study.clusters / 'cluster-3' / 'evaluation.csv'}" in said
    assert f"Page: {study.clusters / 'cluster-3' / 'evaluation.html'}" in said

    code, said = medcl("embed", "--study", study.root, "--run", "cluster-3", "--device", "cpu")
    assert code == 2
    assert "the run was trained on images of a file (--npz), which has no patients and exams" in " ".join(said.split())
    code, said = medcl("list", "runs", "--study", study.root)
    assert code == 0
    assert "cluster-3" in said


def test_a_cluster_without_images_is_told_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    from medcl.cli.cluster_apply import summary
    from medcl.workflows.cluster_apply import ClusterApplied

    summary(ClusterApplied(Path("f"), Path("f/p"), "a", [{"train": 1200, "new": 3}, {}], 1203, 1.0))
    printed = capsys.readouterr().out
    assert "1,203 images put to" in printed
    assert "Cluster 1: 3 new, 1,200 train" in printed
    assert "Cluster 2: none" in printed


def test_a_dry_run_tells_what_to_expect(shapes: tuple[Study, Path], medcl: Medcl) -> None:
    study, file = shapes
    code, said = medcl("cluster", "train", "--study", study.root, "--npz", file, "--dry-run")
    assert code == 0, said
    assert "A dry run: nothing was written." in said
    assert not study.runs.exists()


def test_settings_of_the_study_hold_and_flags_win(shapes: tuple[Study, Path]) -> None:
    study, _ = shapes
    found = ClusterTrainOptions.resolve({"study": study.root})
    assert (found.clusters, found.epochs, found.batch_size, found.maps, found.stem) == (3, 4, 12, ["pca"], "cluster-3")
    assert ClusterTrainOptions.resolve({"study": study.root, "clusters": "auto"}).stem == "cluster"
    assert ClusterTrainOptions.resolve({"study": study.root, "clusters": "5"}).clusters == 5
    (study.root / "medcl.toml").write_text('[cluster.train]\ntemperatur = 1\n[cluster.evaluate]\nlabels = "site"\n')
    assert ClusterEvaluateOptions.resolve({"study": study.root}).labels == "site"
    with pytest.raises(Exception, match=r"medcl\.toml \[cluster\.train\] temperatur"):
        ClusterTrainOptions.resolve({"study": study.root})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "--npz", "gone.npz"], "gone.npz: no such file."),
        (["train", "--clusters", "one"], "--clusters: got 'one', but"),
        (["train", "--crop", "0.5", "2"], "--crop is 0.5 2; expected two numbers"),
        (["train", "--most", "2"], "--most: got '2', but a whole number of at least 3"),
        (["apply", "--run", "gone"], "--run gone: no such run"),
        (["evaluate", "--run", "gone"], "--run gone: no such run"),
        (["sort"], "sort"),
    ],
)
def test_bad_input_is_told_in_a_sentence(
    shapes: tuple[Study, Path], medcl: Medcl, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(shapes[0].root)
    code, said = medcl("cluster", *words)
    assert code == 2
    assert told in " ".join(said.split())
    assert "Traceback" not in said


def test_the_method_is_listed(medcl: Medcl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = medcl("list", "methods", "--json")
    assert code == 0
    rows = [row for row in json.loads(said) if row["command"] == "cluster train"]
    assert [row["name"] for row in rows] == list(CLUSTERING_METHODS)
    assert "Ferrante" in rows[0]["paper"]


@pytest.mark.parametrize("command", ["train", "apply", "evaluate"])
def test_every_option_is_helped_with(medcl: Medcl, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, said = medcl("cluster", command, "--help")
    assert code == 0
    for flag in {"train": ["--clusters", "--assign", "--no-mirror", "--npz"]}.get(command, ["--run", "--npz"]):
        assert flag in said


def test_a_run_of_a_study_is_embedded(tmp_path: Path, medcl: Medcl) -> None:
    """The features of `medcl embed` are those that the clusters were found in."""
    study = volume_study(tmp_path / "study")
    (study.root / "medcl.toml").write_text(SETTINGS)
    code, said = medcl("cluster", "train", "--study", study.root, "--name", "v")
    assert code == 0, said
    for layer in ("encoder", "projection"):
        code, said = medcl("embed", "--study", study.root, "--run", "v", "--layer", layer, "--device", "cpu")
        assert code == 0, said
    features = read_feature_table(study.features / "v.csv")
    projected = read_feature_table(study.features / "v-projection.csv")
    assert features.features.shape == projected.features.shape == (20, 128)
    np.testing.assert_allclose(np.linalg.norm(projected.features, axis=1), 1, atol=1e-4)

    import torch

    from medcl.evaluation.saved_clustering import load_clustering

    head = load_clustering(study.runs / "v", torch.device("cpu")).network.head
    with torch.inference_mode():
        soft = head(torch.from_numpy(np.asarray(features.features, np.float32))).numpy()
    rows = {(row["patient"], row["exam"]): row for row in table(study.runs / "v" / "assignments.csv")}
    for patient, exam, found in zip(features.patients, features.exams, soft, strict=True):
        expected = [float(rows[patient, exam][f"p{number}"]) for number in (1, 2, 3)]
        np.testing.assert_allclose(found, expected, atol=1e-3)
