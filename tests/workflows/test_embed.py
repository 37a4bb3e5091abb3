"""`medcl embed` in a small study: right rows, exact numbers, folds apart, whole files or none, and what is refused."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import medcl.workflows.embed as embed_module
from medcl.cli.app import main
from medcl.cli.embed import summary
from medcl.evaluation.feature_table import FeatureTable, read_feature_table
from medcl.evaluation.saved_encoder import open_encoder
from medcl.imaging.image_list import write_image_list
from medcl.imaging.recipe import Recipe
from medcl.imaging.store import VolumeStore, manifest_text
from medcl.imaging.stored_volume import StoredVolume
from medcl.networks.projection import Projection
from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import write_json
from medcl.study.folder import Study
from medcl.study.runs import create_run, read_run
from medcl.training.export import export_encoder
from medcl.workflows.embed import Embedded, EmbedOptions, embed

SIZE = (1, 6, 8)
FEATURES = 12
RECIPE = Recipe(size=SIZE)
SPLITS = {"P1": "train", "P2": "train", "P3": "val", "P4": "test"}
IMAGES = [(p, e, s) for p in SPLITS for e in ("D15", "M3") for s in ("water", "t2")]


class Tiny(nn.Module):
    """A linear encoder, quick to save and load; the real ones are tested beside `open_encoder`."""

    def __init__(self, name: str, size: tuple[int, int, int], channels: int) -> None:
        super().__init__()
        assert (name, size, channels) == ("tiny", SIZE, 1)
        self.features = FEATURES
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(6 * 8, FEATURES))

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(volumes)
        return found


@pytest.fixture(autouse=True)
def _tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.evaluation.saved_encoder.build_encoder", Tiny)


def write_store(study: Path, recipe: Recipe = RECIPE, changed: str = "") -> VolumeStore:
    """A volume store of random images; `changed` names a case whose content differs."""
    folder = study / "preprocessed" / "default"
    (folder / "volumes").mkdir(parents=True, exist_ok=True)
    entries = []
    plain: dict[str, Any] = {"modality": "", "site": "", "label_file": "", "label_content": "", "key": ""}
    for number, (patient, exam, sequence) in enumerate(IMAGES):
        case = f"{patient}_{exam}_{sequence}"
        voxels = np.random.default_rng(number).random(recipe.size).astype(np.float16)
        np.save(folder / "volumes" / f"{case}.npy", voxels)
        names = {"case": case, "patient": patient, "exam": exam, "sequence": sequence, "file": f"volumes/{case}.npy"}
        shapes = dict.fromkeys(("shape", "source_shape", "region_shape"), recipe.size)
        spacings = dict.fromkeys(("spacing", "source_spacing"), (1.0, 1.0, 1.0))
        levels = dict.fromkeys(("low", "q01", "median", "q99", "high"), 0.0)
        content = f"{number}{'x' if case == changed else ''}"
        affine = tuple(np.eye(4).ravel().tolist())
        known = {**plain, **names, **shapes, **spacings, **levels, "affine": affine, "content": content}
        entries.append(StoredVolume(**known, recipe=recipe.key()))  # type: ignore[arg-type]
    (folder / "manifest.csv").write_text(manifest_text(entries))
    write_json(folder / "recipe.json", recipe.to_json())
    return VolumeStore.open(folder)


def write_run(study: Path, name: str = "variable-gfr", folds: int = 0, **changes: Any) -> Path:
    """A finished run with random encoders, another one in each fold."""
    run = create_run(Study(study), "pretrain", name, name, overwrite=False)
    store = VolumeStore.open(study / "preprocessed" / "default")
    for fold in range(1, folds + 1) if folds else [None]:
        folder = run.folder(fold)
        folder.mkdir(exist_ok=True)
        parts = dict(SPLITS) if fold in (None, 1) else {"P1": "test", "P2": "train", "P3": "train", "P4": "val"}
        rows = [f"{patient},{part},1" for patient, part in parts.items()]
        (folder / "splits.csv").write_text("\n".join(["patient,split,fold", *rows]) + "\n")
        torch.manual_seed(fold or 0)
        encoder = Tiny("tiny", SIZE, 1)
        card = {
            "architecture": {"network": "tiny", "size": list(SIZE), "channels": 1},
            "method": "variable",
            "variable": "gfr",
            "recipe": store.recipe.to_json(),
            "recipe_key": store.recipe.key(),
            "preprocessed": "default",
            "data": store.fingerprint(),
        }
        export_encoder(encoder, folder, card | changes)
        shape: dict[str, Any] = {"features": FEATURES, "hidden": 32, "out": 16, "dropout": 0.1}
        export_encoder(Projection(**shape), folder, {"architecture": shape}, stem="projection")
    run.finish(outputs=[], seconds=1.0)
    return run.path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    rows = ["patient,exam,sequence,image,gfr,site"]
    rows += [f"{p},{e},{s},{p}{e}{s}.nii,{40 + n if p != 'P2' else ''},A" for n, (p, e, s) in enumerate(IMAGES)]
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n")
    write_store(tmp_path)
    write_run(tmp_path)
    return tmp_path


def run_embed(study: Path, **options: Any) -> Embedded:
    return embed(EmbedOptions(study=study, **({"device": "cpu"} | options)))


def table_of(study: Path, **options: Any) -> FeatureTable:
    return read_feature_table(run_embed(study, **options).output)


def cases_of(table: FeatureTable) -> list[str]:
    rows = zip(table.patients, table.exams, table.sequences, strict=True)
    return ["_".join(row) for row in rows]


def directly(study: Path, folder: Path, layer: str = "encoder") -> dict[str, np.ndarray]:
    """Features one image at a time."""
    store = VolumeStore.open(study / "preprocessed" / "default")
    module = open_encoder(folder, layer, torch.device("cpu")).module
    with torch.inference_mode():
        return {
            entry.case: module(torch.from_numpy(store.read(entry))[None, None]).numpy()[0] for entry in store.entries
        }


def test_the_literal_line(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(study)
    with pytest.raises(SystemExit) as stop:
        main(["embed"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "12 features of 16 images of 4 patients, by the run variable-gfr." in out
    assert f"Features: {study / 'features' / 'variable-gfr.csv'}" in out
    assert out.splitlines()[-1] == "Next: medcl visualize"


def test_rows_and_numbers_are_those_of_the_images(study: Path) -> None:
    table = table_of(study)
    expected = directly(study, study / "runs" / "variable-gfr")
    assert cases_of(table) == sorted(expected)
    np.testing.assert_allclose(table.features, [expected[case] for case in cases_of(table)], rtol=1e-4, atol=1e-5)
    assert [SPLITS[patient] for patient in table.patients] == table.splits.tolist()
    assert {name: table.card[name] for name in ("run", "variable", "layer", "images", "features", "folds")} == {
        "run": "variable-gfr",
        "variable": "gfr",
        "layer": "encoder",
        "images": 16,
        "features": FEATURES,
        "folds": 0,
    }


def test_batch_size_changes_rounding_at_most(study: Path) -> None:
    one = table_of(study, batch_size=1, name="one")
    many = table_of(study, batch_size=16, name="many")
    np.testing.assert_allclose(one.features, many.features, rtol=1e-4, atol=1e-5)


def test_projection_layer(study: Path) -> None:
    table = table_of(study, layer="projection")
    assert table.file.stem == "variable-gfr-projection"
    assert table.features.shape == (16, 16)
    np.testing.assert_allclose(np.linalg.norm(table.features, axis=1), 1, atol=1e-5)
    expected = directly(study, study / "runs" / "variable-gfr", "projection")
    np.testing.assert_allclose(table.features, [expected[case] for case in cases_of(table)], rtol=1e-3, atol=1e-5)


def test_filters(study: Path) -> None:
    table = table_of(study, exam="m3", sequence=["t2,water"])
    assert set(table.exams.tolist()) == {"M3"}
    assert len(table) == 8
    assert table_of(study, sequence="t2").sequences.tolist() == ["t2"] * 8
    with pytest.raises(BadInput) as caught:
        run_embed(study, exam="M12", sequence="arterial", name="x")
    assert caught.value.problems == [
        "--exam M12: no such exam; the images have D15, M3.",
        "--sequence arterial: no such sequence; the images have t2, water.",
    ]


def test_clinical_columns(study: Path) -> None:
    made = run_embed(study, variables="all")
    with made.output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == ["patient", "exam", "sequence", "split", "gfr", "f0"]
    of = {(row["patient"], row["exam"], row["sequence"]): row["gfr"] for row in rows}
    assert of["P1", "D15", "water"] == "40.0"
    assert of["P2", "M3", "t2"] == ""
    assert len(read_feature_table(made.output)) == 16


def test_clinical_columns_made_of_readings(study: Path) -> None:
    (study / "lab.csv").write_text("patient,days,hb\nP1,360,90\nP1,370,110\nP2,1,70\n")
    made = run_embed(study, variables="gfr,hb@365+-30", clinical="lab.csv", name="x")
    with made.output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[4:7] == ["gfr", "hb@365+-30", "f0"]
    assert {row["patient"]: row["hb@365+-30"] for row in rows} == {"P1": "100.0", "P2": "", "P3": "", "P4": ""}
    assert len(read_feature_table(made.output)) == 16


def assert_encoders_are_not_mixed(table: FeatureTable, study: Path) -> None:
    for fold in (1, 2):
        rows = table.only(table.folds == fold)
        expected = directly(study, study / "runs" / "folds" / f"fold-{fold}")
        assert cases_of(rows) == sorted(expected)
        wanted = np.array([expected[case] for case in cases_of(rows)])
        assert np.abs(rows.features - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_every_fold_encodes_every_image_with_its_own_encoder_and_split(study: Path) -> None:
    write_run(study, "folds", folds=2)
    table = table_of(study, run="folds")
    assert len(table) == 32
    assert_encoders_are_not_mixed(table, study)
    swapped = dataclasses.replace(table, folds=3 - table.folds)
    with pytest.raises(AssertionError):
        assert_encoders_are_not_mixed(swapped, study)
    second = table.only(table.folds == 2)
    assert set(second.splits[second.patients == "P1"].tolist()) == {"test"}
    assert table.card["folds"] == 2


def test_one_file_per_exam_is_the_form_of_the_kidney_code(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run_embed(study, one_file_per="exam")
    summary(made)
    assert "Next" not in capsys.readouterr().out, "such files are for other programs"
    assert sorted(path.name for path in made.output.iterdir()) == ["D15.csv", "M3.csv", "card.json"]
    with (made.output / "M3.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["patient", *map(str, range(FEATURES))]
    assert [row[0] for row in rows] == list(SPLITS)
    expected = directly(study, study / "runs" / "variable-gfr")
    mean = (expected["P1_M3_water"] + expected["P1_M3_t2"]) / 2
    np.testing.assert_allclose(np.array(rows[0][1:], dtype=float), mean, rtol=1e-3, atol=1e-5)
    write_run(study, "folds", folds=2)
    folder = run_embed(study, run="folds", one_file_per="exam").output
    assert (folder / "fold-2" / "D15.csv").is_file()
    with pytest.raises(BadInput, match="--variables does not go with --one-file-per"):
        EmbedOptions(one_file_per="exam", variables="gfr")


def test_exams_that_would_share_a_file(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"D15": "M/3", "M3": "M 3"}

    def renamed(store: VolumeStore, cases: set[str]) -> VolumeStore:
        entries = [dataclasses.replace(entry, exam=names[entry.exam]) for entry in store.entries]
        return dataclasses.replace(store, entries=entries)

    monkeypatch.setattr(VolumeStore, "only", renamed)
    with pytest.raises(BadInput, match="the exams M 3, M/3 would share a file"):
        run_embed(study, one_file_per="exam")
    assert len(table_of(study)) == 16


def test_outputs_are_not_overwritten_in_silence(study: Path) -> None:
    for options in ({}, {"one_file_per": "exam"}):
        output = run_embed(study, **options).output
        with pytest.raises(BadInput, match=r"exists already\. Replace it with --overwrite, or .* --name"):
            run_embed(study, **options)
        assert run_embed(study, **options, overwrite=True).output == output


Interrupt = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("options", [{}, {"one_file_per": "exam"}])
def test_whole_or_not_at_all(study: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_embed(study, exam="D15", name="a", **options).output
    kept = {path: path.read_bytes() for path in [before, *before.rglob("*")] if path.is_file()}

    def breaks(self: VolumeStore, entry: StoredVolume, out: Any = None) -> Any:
        if entry.case.startswith("P4"):
            raise RunFailed("the disk went away")
        out[...] = 0.5
        return out

    monkeypatch.setattr(VolumeStore, "read", breaks)
    for name, overwrite in (("a", True), ("b", False)):
        with pytest.raises(RunFailed, match="went away"):
            run_embed(study, name=name, overwrite=overwrite, batch_size=2, **options)
    assert {path: path.read_bytes() for path in kept} == kept
    left = {path.name for path in (study / "features").iterdir()}
    assert left <= {"a", "a.csv", "a.json"}, left


def test_newest_run_unless_told(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_run(study, "later")
    with caplog.at_level("INFO", logger="medcl"):
        assert run_embed(study).run == "later"
    assert "Run: later, the newest finished one (others: variable-gfr; choose with --run)." in caplog.text
    assert run_embed(study, run="variable-gfr").run == "variable-gfr"
    assert run_embed(study, run=str(study / "runs" / "later"), name="by-path").run == "later"


def test_runs_that_have_no_encoder(study: Path) -> None:
    with pytest.raises(BadInput, match=r"--run variabel-gfr: no such run .*variable-gfr"):
        run_embed(study, run="variabel-gfr")
    run = read_run(study / "runs" / "variable-gfr")
    run.write(status="failed")
    with pytest.raises(BadInput, match=r"--run variable-gfr: the run is failed.*--resume"):
        run_embed(study, run="variable-gfr")
    with pytest.raises(BadInput, match="Run `medcl pretrain` first"):
        run_embed(study)
    run.write(status="finished", kind="other")
    with pytest.raises(BadInput, match="this is a run of `medcl other`, which leaves no encoder"):
        run_embed(study, run="variable-gfr")
    run.write(kind="pretrain", format=99)
    with pytest.raises(BadInput, match="format 99"):
        run_embed(study, run="variable-gfr")


def test_volumes_of_another_recipe_are_refused(study: Path) -> None:
    write_store(study, Recipe(size=SIZE, hu_window=(-200.0, 300.0)))
    with pytest.raises(BadInput, match=r"another recipe(.|\n)*hu_window: not set there, -200 300 now"):
        run_embed(study, new_images=True)
    assert not (study / "features").exists()


def test_images_that_changed_since_the_training_are_refused_unless_told(
    study: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_store(study, changed="P1_D15_t2")
    with pytest.raises(BadInput, match=r"added, removed or changed since variable-gfr was trained.*--new-images"):
        run_embed(study)
    assert len(table_of(study, new_images=True)) == 16
    assert "added, removed or changed" in caplog.text
    assert "does not know" not in caplog.text


def rewrite_manifest(study: Path, change: Callable[[dict[str, str]], dict[str, str] | None]) -> None:
    """Change lines of the manifest, or drop those for which None comes back."""
    manifest = study / "preprocessed" / "default" / "manifest.csv"
    with manifest.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [made for row in rows if (made := change(dict(row))) is not None]
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)


def rename_patient(study: Path, old: str, new: str) -> None:
    """In cohort.csv and the store, as preprocessing again does."""
    cohort = study / "cohort.csv"
    cohort.write_text(cohort.read_text().replace(f"\n{old},", f"\n{new},"))
    rewrite_manifest(
        study,
        lambda row: row | {"patient": new, "case": row["case"].replace(old, new)} if row["patient"] == old else row,
    )


def test_what_came_went_and_changed_is_named(study: Path) -> None:
    run = study / "runs" / "variable-gfr"
    write_image_list(run, VolumeStore.open(study / "preprocessed" / "default").entries)
    cohort = study / "cohort.csv"
    cohort.write_text(cohort.read_text() + "P5,D15,water,P5.nii,50,A\n")
    rewrite_manifest(
        study,
        lambda row: (
            None
            if row["case"] == "P2_M3_t2"
            else row | {"patient": "P5", "case": "P5_D15_water", "sequence": "water", "exam": "D15"}
            if row["case"] == "P4_M3_t2"
            else row | {"content": "another"}
            if row["case"] == "P1_D15_t2"
            else row
        ),
    )
    with pytest.raises(BadInput) as caught:
        run_embed(study)
    assert str(caught.value).startswith(
        "Of preprocessed/default, since variable-gfr was trained: 1 image added (P5_D15_water); 2 images removed "
        "(P2_M3_t2, P4_M3_t2); 1 image changed (P1_D15_t2). Patients that the run does not know: P5. "
        "The run's split may not hold"
    )


def test_renamed_patients_are_told_and_never_become_new_ones(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = study / "runs" / "variable-gfr"
    write_image_list(run, VolumeStore.open(study / "preprocessed" / "default").entries)
    rename_patient(study, "P1", "P9")
    with pytest.raises(BadInput, match=r"does not know: P9\. Patients of .*splits\.csv that are not here: P1\. If"):
        run_embed(study)
    with pytest.raises(BadInput, match=r"P9_D15_water; train: P1_D15_water(.|\n)*renamed since .* rename it in"):
        run_embed(study, new_images=True)
    splits = run / "splits.csv"
    splits.write_text(splits.read_text().replace("P1,train", "P9,train"))
    table = table_of(study, new_images=True)
    assert set(table.splits[table.patients == "P9"].tolist()) == {"train"}


def test_renamed_patients_of_a_run_without_a_list_of_images(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    rename_patient(study, "P4", "P9")
    table = table_of(study, new_images=True)
    assert set(table.splits[table.patients == "P9"].tolist()) == {"new"}
    assert "that are not here: P4. If they were renamed" in caplog.text
    assert "They are marked new." in caplog.text


def test_patients_that_the_run_does_not_know_are_new(study: Path) -> None:
    splits = study / "runs" / "variable-gfr" / "splits.csv"
    splits.write_text(splits.read_text().replace("P4,test,1\n", ""))
    table = table_of(study)
    assert set(table.splits[table.patients == "P4"].tolist()) == {"new"}


def test_a_run_of_another_study_gives_no_split(study: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its patient P1 is another person; its images are other images by design, but the recipe must be the same."""
    other = tmp_path_factory.mktemp("other")
    (other / "cohort.csv").write_text((study / "cohort.csv").read_text())
    write_store(other, changed="P1_D15_t2")
    table = table_of(other, run=str(study / "runs" / "variable-gfr"))
    assert set(table.splits.tolist()) == {"new"}
    np.testing.assert_array_equal(table.features, table_of(study).features)


def test_images_that_left_the_cohort_are_left_out(study: Path) -> None:
    cohort = study / "cohort.csv"
    cohort.write_text("\n".join(row for row in cohort.read_text().splitlines() if not row.startswith("P4,M3")) + "\n")
    with pytest.raises(BadInput, match="--new-images"):
        run_embed(study)
    assert len(table_of(study, new_images=True)) == 14


def test_names_are_plain(study: Path) -> None:
    assert run_embed(study, name="kidney.csv").output.name == "kidney.csv"
    for name in ("../x", "", ".x"):
        with pytest.raises(BadInput, match="plain file name"):
            EmbedOptions(name=name)


def test_a_copy_of_a_training_image_is_no_new_patient(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a patient out of the run's split and give its images the content of a training patient's."""
    splits = study / "runs" / "variable-gfr" / "splits.csv"
    splits.write_text(splits.read_text().replace("P4,test,1\n", ""))
    trained = VolumeStore.open(study / "preprocessed" / "default").entries[0].content
    rewrite_manifest(study, lambda row: row | {"content": trained} if row["patient"] == "P4" else row)

    def assert_refused() -> None:
        refusal = ""
        try:
            run_embed(study, new_images=True)
        except BadInput as error:
            refusal = str(error)
        assert "same image content" in refusal

    assert_refused()
    monkeypatch.setattr(embed_module, "_refuse_known_images", lambda *anything: None)
    with pytest.raises(AssertionError):  # the twin without the gate lets it through
        assert_refused()
