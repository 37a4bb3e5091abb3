"""`medcl pretrain` from the study folder to the exported encoder."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import medcl.workflows.fold as fold_module
from medcl.methods.registry import METHODS
from medcl.study.errors import BadInput
from medcl.workflows.pretrain import Pretrained, PretrainOptions, pretrain

Medcl = Callable[..., tuple[int, str]]


def train(study: Path, **options: Any) -> Pretrained:
    """Pretrain by GFR with the small settings of the study, unless told otherwise."""
    chosen = {"variable": "gfr"} if "method" not in options else {}
    return pretrain(PretrainOptions.resolve({"study": study, **chosen, **options}))


def weights(done: Pretrained) -> str:
    """The hash of the exported encoder's weights."""
    assert done.run is not None
    return str(json.loads((done.run.path / "encoder.json").read_text())["weights_sha256"])


def metrics(done: Pretrained) -> pd.DataFrame:
    """The run's metrics without the columns that hold times."""
    assert done.run is not None
    table = pd.read_csv(done.run.path / "metrics.csv")
    return table[[name for name in table if "second" not in name and "share" not in name]]


@pytest.fixture(scope="module")
def base(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    """A run with the small settings."""
    return train(Path(shutil.copytree(prepared, tmp_path_factory.mktemp("base") / "study")), epochs=1)


def test_a_run_leaves_what_later_commands_need(study: Path) -> None:
    done = train(study)
    assert done.run is not None
    folder = done.run.path
    assert folder == study / "runs" / "variable-gfr"
    for name in ("run.json", "metrics.csv", "splits.csv", "task.json", "encoder.safetensors", "encoder.json"):
        assert (folder / name).is_file(), name
    assert (folder / "checkpoints" / "last.pt").is_file()
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["options"]["variable"] == "gfr"
    assert record["options"]["network"] == "resnet10"  # from medcl.toml
    card = json.loads((folder / "encoder.json").read_text())
    assert card["architecture"] == {"network": "resnet10", "size": [8, 16, 16], "channels": 1}
    assert card["spacing"] == [3.0, 2.0, 2.0]
    assert (study / "runs" / "latest").read_text().strip() == "variable-gfr"
    assert json.loads((folder / "task.json").read_text())["stages"][0]["definition"]
    assert set(metrics(train(study, splits=_splits(study)))["split"]) == {"train", "val"}


def test_a_second_run_takes_the_next_free_name(study: Path) -> None:
    names = [train(study, epochs=1).run for _ in range(2)]
    assert [run.name for run in names if run] == ["variable-gfr", "variable-gfr-2"]


def test_the_same_seed_gives_the_same_run(study: Path, base: Pretrained) -> None:
    assert weights(train(study, epochs=1)) == weights(base)


def test_reading_ahead_changes_nothing(study: Path, base: Pretrained) -> None:
    assert weights(train(study, epochs=1, workers=1)) == weights(base)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": 1},
        {"epochs": 2},
        {"batch_size": 4},
        {"optimizer": "adamw"},
        {"lr": 0.05},
        {"momentum": 0.5},
        {"weight_decay": 0.1},
        {"warmup_epochs": 0.5},
        {"clip": 0.01},
        {"pairs": "in-batch"},
        {"thresholds": "5,10"},
        {"thresholds": "auto"},
        {"margin": 0.5},
        {"pairs_per_epoch": 32},
        {"positive_share": 0.5},
        {"pairs": "in-batch", "steps_per_epoch": 3},
        {"pairs": "in-batch", "micro_batch": 2},
        {"network": "resnet18"},
        {"dropout": 0.4},
        {"stratify": "site"},
        {"flip": 0.0},
        {"affine": 0.0},
        {"rotation": 40.0},
        {"scaling": 0.4},
        {"blur": 2.0},
        {"noise": 0.3},
        {"method": "patient"},
        {"method": "simclr"},
    ],
    ids=lambda options: "-".join(f"{name}={value}" for name, value in options.items()),
)
def test_every_option_changes_what_is_learned(study: Path, base: Pretrained, options: dict[str, Any]) -> None:
    assert weights(train(study, **{"epochs": 1, **options})) != weights(base)


def test_options_of_single_methods_change_what_is_learned(study: Path) -> None:
    graded = {"variable": "grade", "epochs": 1}
    ordinal = [weights(train(study, **graded, differs_by=value)) for value in (1.0, 3.0)]
    wide = {"thresholds": "20,21", "epochs": 1}
    sites = [weights(train(study, **wide, leave_site=site)) for site in ("a", "b")]
    simclr = [weights(train(study, method="simclr", epochs=1, temperature=value)) for value in (0.5, 0.1)]
    patient = [weights(train(study, method="patient", epochs=1, seed=0, positive_share=value)) for value in (0.25, 0.5)]
    in_batch = [weights(train(study, pairs="in-batch", epochs=1, steps_per_epoch=value)) for value in (2, 3)]
    for first, second in (ordinal, sites, simclr, patient, in_batch):
        assert first != second


def test_same_exam_decides_which_images_of_a_patient_are_a_pair(study: Path) -> None:
    """Call every image another sequence of one exam: then `never` leaves no positive pair."""
    for file in (study / "cohort.csv", study / "preprocessed" / "default" / "manifest.csv"):
        table = pd.read_csv(file, dtype=str)
        table["sequence"], table["exam"] = table["exam"], "D15"
        if "case" in table:
            table["case"] = table["patient"] + "_D15_" + table["sequence"]
        table.to_csv(file, index=False)
    assert train(study, method="patient", epochs=1, same_exam="always").run is not None
    with pytest.raises(BadInput, match="0 positive"):
        train(study, method="patient", epochs=1, same_exam="never")


def test_validation_images_limits_the_validation(study: Path) -> None:
    table = metrics(train(study, epochs=1, splits=_splits(study, val=6), validation_images=8))
    whole = metrics(train(study, epochs=1, splits=_splits(study, val=6)))
    assert table.query("split == 'val'")["loss"].item() != whole.query("split == 'val'")["loss"].item()


def test_checkpoint_steps_saves_within_an_epoch(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import medcl.training.loop as loop

    saved: list[int] = []
    save = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", lambda folder, content: (saved.append(1), save(folder, content)))
    train(study, epochs=1)
    ends = len(saved)
    train(study, epochs=1, checkpoint_steps=1)
    assert len(saved) - ends > ends


def test_folds_hold_every_patient_out_once(study: Path) -> None:
    done = train(study, epochs=1, folds=3)
    assert done.run is not None
    tested = []
    for number in (1, 2, 3):
        table = pd.read_csv(done.run.path / f"fold-{number}" / "splits.csv", dtype=str)
        tested += list(table.query("split == 'test'")["patient"])
        assert (done.run.path / f"fold-{number}" / "encoder.safetensors").is_file()
    assert sorted(tested) == sorted(f"P{number:03d}" for number in range(1, 13))


def test_init_from_starts_with_the_given_weights(study: Path, base: Pretrained) -> None:
    assert base.run is not None
    with pytest.raises(BadInput, match="has seen 2 patients who would be tested on now"):
        train(study, epochs=1, seed=3, init_from=base.run.path)  # another seed draws another split
    splits = base.run.path / "splits.csv"
    started = metrics(train(study, epochs=1, seed=3, splits=splits, init_from=base.run.path))
    assert not started.equals(metrics(train(study, epochs=1, seed=3, splits=splits)))
    with pytest.raises(BadInput, match="network: resnet10 in the file, resnet18 here"):
        train(study, splits=splits, init_from=base.run.path, network="resnet18")


def test_a_dry_run_writes_nothing(study: Path, medcl: Medcl) -> None:
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr", "--dry-run")
    assert code == 0
    assert "A step of 8 images" in output or "images takes" in output
    assert not (study / "runs").exists()


def _splits(study: Path, val: int = 2) -> Path:
    """A splits.csv with the last patients in val."""
    patients = [f"P{number:03d}" for number in range(1, 13)]
    parts = ["train"] * (12 - val) + ["val"] * val
    pd.DataFrame({"patient": patients, "split": parts}).to_csv(study / "mine.csv", index=False)
    return study / "mine.csv"


def test_given_splits_are_used(study: Path) -> None:
    done = train(study, epochs=1, splits=_splits(study))
    assert done.run is not None
    table = pd.read_csv(done.run.path / "splits.csv")
    assert list(table.query("split == 'val'")["patient"]) == ["P011", "P012"]


# --- the leakage gate, and a twin without it -----------------------------------------------------------------------


def _leaking(study: Path) -> Path:
    """Give the last patient, who validates, the volumes of the first, who trains, under another name."""
    store = study / "preprocessed" / "default"
    manifest = pd.read_csv(store / "manifest.csv", dtype=str)
    first, last = manifest["patient"] == "P001", manifest["patient"] == "P012"
    manifest.loc[last, "content"] = manifest.loc[first, "content"].to_numpy()
    manifest.to_csv(store / "manifest.csv", index=False)
    return _splits(study)


def _assert_a_leak_is_refused(study: Path) -> None:
    refusal = ""
    try:
        train(study, epochs=1, splits=_leaking(study))
    except BadInput as error:
        refusal = str(error)
    assert "P001" in refusal, "a run with the same image in training and validation was not refused"
    assert "P012" in refusal


def test_the_same_image_on_both_sides_is_refused(study: Path) -> None:
    _assert_a_leak_is_refused(study)
    assert not (study / "runs").exists()


def test_without_the_gate_the_leak_goes_through(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_module, "check_images", lambda *anything: None)
    with pytest.raises(AssertionError, match="was not refused"):
        _assert_a_leak_is_refused(study)


# --- bad input: one message, exit status 2, nothing half-written ---------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "Name a --method, or a --variable"),
        (["--method", "simcrl"], "--method is 'simcrl'"),
        (["--method", "variable"], "--method variable needs --variable"),
        (["--method", "simclr", "--variable", "gfr"], "--variable goes with --method variable"),
        (["--variable", "gfrr"], "Nearest"),
        (["--variable", "constant"], "constant"),
        (["--variable", "gfr", "--thresholds", "5,10,15"], "expected two numbers"),
        (["--variable", "gfr", "--thresholds", "5,500"], "negative"),
        (["--variable", "gfr", "--thresholds", "auto", "--differs-by", "3"], "exclude each other"),
        (["--variable", "gfr", "--network", "resnet99"], "--network is 'resnet99'; known are"),
        (["--variable", "gfr", "--epochs", "0", "--lr", "fast"], "2 problems"),
        (["--variable", "gfr", "--gpus", "4"], "--gpus 4: this machine has"),
        (["--variable", "gfr", "--preprocessed", "other"], "medcl preprocess"),
        (["--variable", "gfr", "--leave-site", "c"], "no site 'c'"),
        (["--variable", "gfr", "--folds", "50"], "--folds 50"),
        (["--variable", "gfr", "--resume"], "No stopped or failed"),
        (["--variable", "gfr", "--init-from", "nowhere"], "nowhere"),
        (["--variable", "gfr", "--overwrite"], "--overwrite replaces the run of --name"),
        (["--variable", "gfr", "--seed", "-1"], "--seed: got '-1'"),
        (["--variable", "gfr", "--epochs", "1", "--warmup-epochs", "1"], "--warmup-epochs is 1.0"),
        (["--variable", "gfr", "--resume", "--name", "none"], "no run folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input(study: Path, medcl: Medcl, words: list[str], expected: str) -> None:
    code, output = medcl("pretrain", "--study", study, *words)
    assert (code, expected in " ".join(output.split())) == (2, True), output
    assert not (study / "runs").exists()


def test_missing_values_leave_images_out_and_are_counted(study: Path, medcl: Medcl) -> None:
    table = pd.read_csv(study / "cohort.csv")
    gfr = next(name for name in table if name.startswith("gfr"))
    table[gfr] = table[gfr].astype(object)
    table.loc[:3, gfr] = ""
    table.to_csv(study / "cohort.csv", index=False)
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr", "--epochs", "1")
    assert code == 0
    assert re.search(r"[1-4] of \d+ training images have no value of gfr", output)
    table[gfr] = ""
    table.to_csv(study / "cohort.csv", index=False)
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr")
    assert code == 2
    assert "has no value" in " ".join(output.split())


def test_one_patient_only(study: Path, medcl: Medcl) -> None:
    table = pd.read_csv(study / "cohort.csv")
    table[table["patient"] == "P001"].to_csv(study / "cohort.csv", index=False)
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr")
    assert code == 2
    assert "at least 2 patients" in " ".join(output.split())


def test_a_named_run_is_not_overwritten_unless_asked(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--variable", "gfr", "--epochs", "1", "--name", "mine"]
    assert medcl(*words)[0] == 0
    code, output = medcl(*words)
    assert code == 2
    assert "--overwrite" in output
    assert "--resume" in output
    assert medcl(*words, "--overwrite")[0] == 0


def test_a_full_disk_fails_the_run_with_a_sentence(study: Path, medcl: Medcl, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    import medcl.training.loop as loop

    def full(folder: Path, content: object) -> None:
        from medcl.study.files import write_whole

        with write_whole(folder / "last.pt"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(loop, "save_checkpoint", full)
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr")
    assert code == 1
    assert "The disk is full" in " ".join(output.split())
    folder = study / "runs" / "variable-gfr"
    assert json.loads((folder / "run.json").read_text())["status"] == "failed"
    assert not (folder / "checkpoints" / "last.pt").exists()
    assert not (folder / "encoder.safetensors").exists()


# --- resume --------------------------------------------------------------------------------------------------------


def test_resume_refuses_other_options_and_finished_runs(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--variable", "gfr", "--name", "mine"]
    assert medcl(*words)[0] == 0
    assert "is finished" in medcl(*words, "--resume")[1]
    record = json.loads((study / "runs" / "mine" / "run.json").read_text())
    (study / "runs" / "mine" / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    code, output = medcl(*words, "--resume", "--lr", "0.5")
    assert code == 2
    assert "--lr: 0.01 in the run, 0.5 now" in output


def test_a_resumed_run_takes_its_own_options(study: Path, medcl: Medcl) -> None:
    assert medcl("pretrain", "--study", study, "--variable", "gfr", "--name", "mine", "--lr", "0.02")[0] == 0
    record = json.loads((study / "runs" / "mine" / "run.json").read_text())
    (study / "runs" / "mine" / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    code, output = medcl("pretrain", "--study", study, "--resume")
    assert code == 0, output
    assert json.loads((study / "runs" / "mine" / "run.json").read_text())["options"]["lr"] == 0.02


def test_bad_input_leaves_a_finished_run_as_it_was(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--variable", "gfr", "--epochs", "1", "--name", "mine"]
    assert medcl(*words)[0] == 0
    before = contents(study / "runs")
    assert medcl(*words, "--overwrite", "--thresholds", "5,500")[0] == 2
    assert contents(study / "runs") == before


def test_a_resume_that_is_refused_changes_nothing(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--variable", "gfr", "--name", "mine"]
    assert medcl(*words)[0] == 0
    set_record(study, status="failed", reason="the disk was full")
    before = contents(study / "runs")
    table = (study / "cohort.csv").read_text()
    (study / "cohort.csv").write_text(table.replace(",D15,", ",D16,", 1).replace("\nP012,", "\nP012,", 1))
    code, output = medcl(*words, "--resume")
    assert code == 2
    assert "changed since mine was started" in " ".join(output.split())
    assert contents(study / "runs") == before
    (study / "cohort.csv").write_text(table)
    assert medcl(*words, "--resume")[0] == 0
    assert "reason" not in json.loads((study / "runs" / "mine" / "run.json").read_text())


def test_a_run_in_progress_is_left_alone(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--variable", "gfr", "--name", "mine"]
    assert medcl(*words)[0] == 0
    set_record(study, status="running", pid=os.getpid(), host=socket.gethostname())
    for flag in ("--resume", "--overwrite"):
        code, output = medcl(*words, flag)
        assert code == 2
        assert f"{flag}: the run mine is still running" in " ".join(output.split())


def test_options_without_effect_are_told(study: Path, medcl: Medcl) -> None:
    words = ["pretrain", "--study", study, "--method", "simclr", "--epochs", "1"]
    assert "--temperature" not in medcl(*words, "--temperature", "0.2")[1]
    output = medcl(*words, "--margin", "0.3", "--optimizer", "adam", "--momentum", "0.5")[1]
    assert "Without effect in this run (simclr, --pairs sampled): --margin, --steps-per-epoch, --momentum" in " ".join(
        output.split()
    )


def test_every_option_of_a_listed_method_exists() -> None:
    named = {name for method in METHODS.values() for name in method.options}
    assert named <= set(PretrainOptions.model_fields)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def set_record(study: Path, **fields: Any) -> None:
    """Change fields of the run `mine`."""
    file = study / "runs" / "mine" / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_a_run_of_a_newer_format_is_refused(study: Path, medcl: Medcl) -> None:
    folder = study / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"format": 99, "kind": "pretrain", "versions": {"medcl": "9.0"}}))
    code, output = medcl("pretrain", "--study", study, "--variable", "gfr", "--name", "mine", "--resume")
    assert code == 2
    assert "Upgrade" in output
