"""`medcl cluster evaluate`: labels of training patients fit, those of held-out ones are for scoring alone."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medcl.evaluation import clustering_table
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.cluster_evaluate import ClusterEvaluated, ClusterEvaluateOptions, cluster_evaluate
from medcl.workflows.cluster_evaluation_files import mean_over_seeds
from medcl.workflows.cluster_train import cluster_train
from tests.workflows.cluster_study import PARTS, npz_study, quick, table, volume_study, write_npz

OWN = {
    *(("map from clusters", "clusters"), ("5 nearest neighbours", "h"), ("5 nearest neighbours", "z")),
    *(("linear layer", "h"), ("linear layer", "z")),
}
"""Methods that read the run's features."""


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study, file = npz_study(tmp_path_factory.mktemp("evaluate") / "study")
    cluster_train(quick(study, npz=file, name="a", class_names="disc,cross,frame", stability=0, pictures=0))
    return study


@pytest.fixture(scope="module")
def done(shapes: Study) -> ClusterEvaluated:
    return evaluate(shapes, repeats=2, share=0.5)


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = volume_study(tmp_path_factory.mktemp("evaluate volumes") / "study")
    cluster_train(quick(study, name="v", stability=0, pictures=0))
    return study


def evaluate(study: Study, **options: Any) -> ClusterEvaluated:
    asked = {"study": study.root, "device": "cpu", "repeats": 2, "share": 0.5, **options}
    return cluster_evaluate(ClusterEvaluateOptions(**asked))


def rows_of(done: ClusterEvaluated) -> list[dict[str, str]]:
    return table(done.table)


def test_a_row_for_each_method_share_seed_and_split(done: ClusterEvaluated) -> None:
    rows = rows_of(done)
    assert done.folder.name == "a"
    assert {(row["method"], row["features"]) for row in rows} >= OWN
    assert {row["split"] for row in rows} == {"val", "test"}
    assert {float(row["share"]) for row in rows} == {1.0, 0.5}
    assert {row["scored"] for row in rows} == {"6"}
    every = Counter((row["method"], row["features"], row["split"], row["share"]) for row in rows)
    assert {every[key] for key in every if key[3] == "1.0"} == {1}
    assert {every[key] for key in every if key[3] == "0.5"} == {2}, "a row for each draw of the labels"
    assert {row["labelled"] for row in rows if row["share"] == "1.0"} == {str(PARTS["train"])}
    assert {row["labelled"] for row in rows if row["share"] == "0.5"} == {str(PARTS["train"] // 2)}
    for row in rows:
        for name in ("accuracy", "precision_macro", "recall_macro", "precision_weighted", "recall_weighted"):
            assert 0 <= float(row[name]) <= 1
        assert bool(row["nmi"]) == (row["features"] == "clusters" or row["method"] == "KMeans"), row


def test_every_baseline_reads_as_many_labels(done: ClusterEvaluated) -> None:
    rows = rows_of(done)
    own = {(row["share"], row["labelled"], row["split"]) for row in rows if (row["method"], row["features"]) in OWN}
    others = {(row["method"], row["features"]) for row in rows} - OWN
    assert len(others) >= 4
    for method, features in others:
        here = {
            (row["share"], row["labelled"], row["split"])
            for row in rows
            if (row["method"], row["features"]) == (method, features)
        }
        assert here == own, method


def test_a_draw_is_the_same_for_all_methods_and_other_seeds_draw_others(shapes: Study, done: ClusterEvaluated) -> None:
    again = evaluate(shapes, name="again")
    assert again.table.read_bytes() == done.table.read_bytes()
    other = evaluate(shapes, name="seed", seed=7)
    assert {row["seed"] for row in rows_of(other)} - {""} == {"7", "8"}
    assert rows_of(other) != rows_of(done)


def test_the_page_holds_both_splits_and_the_spread(done: ClusterEvaluated) -> None:
    assert done.page is not None
    page = done.page.read_text()
    assert "Validation patients (6 images)" in page
    assert "Test patients (6 images)" in page
    assert " ± " in page
    assert "map from clusters" in page
    assert "evaluation.csv" in page


def test_means_and_spreads_over_the_draws(done: ClusterEvaluated) -> None:
    for row, means, spreads in mean_over_seeds(done.rows):
        same = [
            each.scores.accuracy
            for each in done.rows
            if (each.method, each.features, each.share, each.split) == (row.method, row.features, row.share, row.split)
        ]
        assert means["accuracy"] == pytest.approx(np.mean(same))
        assert ("accuracy" in spreads) == (len(same) > 1)
        if len(same) > 1:
            assert spreads["accuracy"] == pytest.approx(np.std(same, ddof=1))


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        ({"split": "val"}, lambda row: row["split"] == "test"),
        ({"split": "test"}, lambda row: row["split"] == "val"),
        ({"share": 1.0}, lambda row: row["share"] != "1.0"),
        ({"repeats": 1}, lambda row: row["seed"] == "1"),
        ({"baselines": False}, lambda row: (row["method"], row["features"]) not in OWN and row["features"] != "labels"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_leave_rows_out(shapes: Study, done: ClusterEvaluated, changed: dict[str, Any], gone: Any) -> None:
    found = rows_of(evaluate(shapes, name="less", overwrite=True, **changed))
    assert any(gone(row) for row in rows_of(done))
    expected = [row for row in rows_of(done) if not gone(row)]
    if "baselines" in changed:
        assert [row for row in found if (row["method"], row["features"]) in OWN] == [
            row for row in expected if (row["method"], row["features"]) in OWN
        ]
        assert len({row["method"] for row in found}) < len({row["method"] for row in rows_of(done)})
    else:
        assert found == expected


def test_standardised_layers_are_rows_more(shapes: Study, done: ClusterEvaluated) -> None:
    found = rows_of(evaluate(shapes, name="standardised", standardised=True))
    more = [row for row in found if row["method"] == "linear layer, standardised"]
    assert {row["features"] for row in more} == {"h", "z"}
    assert [row for row in found if row not in more] == rows_of(done)


def test_without_a_page(shapes: Study) -> None:
    first = evaluate(shapes, name="page")
    assert first.page is not None
    with pytest.raises(BadInput, match=r"page/evaluation\.csv exists\. Replace it with --overwrite"):
        evaluate(shapes, name="page")
    again = evaluate(shapes, name="page", overwrite=True, page=False)
    assert again.page is None
    assert not first.page.exists(), "no page of another table stays"


# --- labels of held-out patients -----------------------------------------------------------------------------------


def test_labels_of_held_out_images_change_no_prediction(
    shapes: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: labels of training images do."""
    said: list[tuple[str, str, tuple[str, ...]]] = []
    real = clustering_table._scored

    def listening(answer: Any, truth: Any, here: Any, *arguments: Any) -> Any:
        said.append((answer.method, answer.features, tuple(answer.predictions.of(here).predicted.tolist())))
        return real(answer, truth, here, *arguments)

    monkeypatch.setattr(clustering_table, "_scored", listening)

    def predictions(name: str, **changed: Any) -> tuple[list[Any], list[str]]:
        said.clear()
        root = tmp_path / name
        shutil.copytree(shapes.root, root)
        file = write_npz(root / "labels.npz", **changed)
        found = evaluate(Study(root), npz=file, class_names="disc,cross,frame", overwrite=True)
        return list(said), [row["accuracy"] for row in rows_of(found)]

    kinds = np.arange(6)[:, None] % 3
    as_they_are, accuracies = predictions("same")
    permuted, other_accuracies = predictions("permuted", test_labels=(kinds + 1) % 3)
    assert as_they_are == permuted
    assert accuracies != other_accuracies
    assert predictions("training", train_labels=(np.arange(24)[:, None] + 1) % 3)[0] != as_they_are


def test_copies_that_were_left_out_are_not_scored(tmp_path: Path) -> None:
    """A validation image that is a test image too counts in the test only; the twin: --copies keep has it in both."""
    study, file = npz_study(tmp_path / "study")
    with np.load(file) as arrays:
        copied = arrays["val_images"].copy()
        copied[:2] = arrays["test_images"][:2]
        copied[2] = arrays["train_images"][2]
    write_npz(file, val_images=copied)
    cluster_train(quick(study, npz=file, name="a", stability=0, pictures=0))
    scored = {(row.split, row.scored) for row in evaluate(study).rows}
    assert scored == {("val", 4), ("test", 6)}
    labelled = {row.labelled for row in evaluate(study, name="all", share=1.0).rows}
    assert labelled == {23}
    kept = evaluate(study, npz=file, copies="keep", name="kept")
    assert {(row.split, row.scored) for row in kept.rows} == {("val", 6), ("test", 6)}
    assert max(row.labelled for row in kept.rows) == 24


def test_a_run_that_kept_copies_is_evaluated_with_them(tmp_path: Path) -> None:
    study, file = npz_study(tmp_path / "study")
    with np.load(file) as arrays:
        copied = arrays["val_images"].copy()
        copied[0] = arrays["train_images"][0]
    write_npz(file, val_images=copied)
    cluster_train(quick(study, npz=file, name="a", copies="keep", stability=0, pictures=0))
    found = evaluate(study, share=1.0)
    assert {(row.labelled, row.split, row.scored) for row in found.rows} == {(24, "val", 6), (24, "test", 6)}
    without = evaluate(study, npz=file, share=1.0, name="without")
    assert {row.labelled for row in without.rows} == {23}


# --- of a study, and refusals --------------------------------------------------------------------------------------


def test_classes_of_a_study(volumes: Study) -> None:
    found = evaluate(volumes, labels="site", share=1.0)
    assert {row.split for row in found.rows} == {"val", "test"}
    assert {row.scored for row in found.rows} == {2}
    assert {row.labelled for row in found.rows} == {16}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "--labels is missing: which clinical variable has the classes\\? The variables are .*gfr"),
        ({"labels": "gfr"}, "--labels gfr: 'gfr \\[mL/min\\]' holds numbers, and clusters are compared with classes"),
        ({"labels": "tumour"}, "tumour"),
        ({"labels": "note"}, "all labelled training rows have the class 'same'"),
        ({"labels": "site", "share": 0.0}, "--share: got 0.0"),
        ({"labels": "site", "repeats": 0}, "--repeats: got 0"),
    ],
)
def test_labels_that_cannot_be_used(volumes: Study, options: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        evaluate(volumes, name="refused", **options)
    assert not (volumes.clusters / "refused" / "evaluation.csv").exists()


def test_a_file_without_labels(tmp_path: Path) -> None:
    study, file = npz_study(tmp_path / "study")
    write_npz(file, train_labels=None, val_labels=None, test_labels=None)
    done = cluster_train(quick(study, npz=file, name="a", stability=0, pictures=0))
    assert done.run is not None
    assert not (done.run.path / "strata.csv").exists()
    with pytest.raises(BadInput, match=r"shapes\.npz has no labels"):
        evaluate(study)


def test_images_that_no_split_holds(shapes: Study, tmp_path: Path) -> None:
    file = write_npz(tmp_path / "other.npz", first=500)
    with pytest.raises(BadInput, match="no row of the split train has a label"):
        evaluate(shapes, npz=file, name="refused")


def test_too_many_pixels_are_told(shapes: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from medcl.workflows import cluster_evaluate as module

    monkeypatch.setattr(module, "MOST_PIXELS", 36 * 256 - 1)
    with pytest.raises(BadInput, match="leave them out with --no-baselines"):
        evaluate(shapes, name="refused")
    assert evaluate(shapes, name="fits", baselines=False).rows
