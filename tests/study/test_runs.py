"""Run folders: names, records, and which run is the newest."""

from __future__ import annotations

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medcl.study import runs as runs_module
from medcl.study.errors import BadInput, RunFailed
from medcl.study.folder import Study
from medcl.study.runs import RUN_FORMAT, Run, create_run, list_runs, newest_run, read_run


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "cohort.csv").touch()
    return Study(tmp_path)


def new(study: Study, name: str | None = None, *, kind: str = "pretrain", overwrite: bool = False) -> Run:
    return create_run(study, kind, name, "variable-gfr", overwrite)


def test_a_new_run_has_a_record(study: Study) -> None:
    run = new(study)
    assert run.path == study.runs / "variable-gfr"
    record = json.loads((run.path / "run.json").read_text())
    assert record == run.record
    assert (record["format"], record["kind"], record["name"], record["status"]) == (
        RUN_FORMAT,
        "pretrain",
        "variable-gfr",
        "running",
    )
    assert record["versions"]["medcl"]
    assert record["started"].endswith("+00:00")
    assert run.checkpoints == run.path / "checkpoints"
    assert (run.folder(), run.folder(2)) == (run.path, run.path / "fold-2")


def test_names_count_up(study: Study) -> None:
    assert [new(study).name for _ in range(3)] == ["variable-gfr", "variable-gfr-2", "variable-gfr-3"]
    assert (
        create_run(study, "pretrain", None, "variable-Ejection fraction/%", False).name == "variable-Ejection-fraction"
    )


def test_names_are_given_once_however_many_ask(study: Study) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: new(study).name, range(24)))
    assert len(set(names)) == 24


def test_one_of_many_gets_a_given_name(study: Study) -> None:
    def ask(_: int) -> bool:
        try:
            new(study, "mine")
        except BadInput:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(16))) == 1


def test_an_existing_name_is_refused_and_both_ways_out_are_named(study: Study) -> None:
    first = new(study, "mine")
    (first.path / "metrics.csv").write_text("old")
    first.finish(outputs=[], seconds=1.0)
    with pytest.raises(BadInput) as caught:
        new(study, "mine")
    assert "--resume" in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert (study.runs / "mine" / "metrics.csv").exists()
    new(study, "mine", overwrite=True)
    assert sorted(path.name for path in (study.runs / "mine").iterdir()) == ["run.json"]


def test_a_folder_that_is_no_run_is_never_overwritten(study: Study) -> None:
    (study.runs / "mine").mkdir(parents=True)
    (study.runs / "mine" / "thesis.docx").touch()
    with pytest.raises(BadInput, match="is no run"):
        new(study, "mine", overwrite=True)
    assert (study.runs / "mine" / "thesis.docx").exists()


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "latest", "a b", "-x"])
def test_names_that_are_no_folder_names(study: Study, name: str) -> None:
    with pytest.raises(BadInput, match="--name"):
        new(study, name)


def test_fields_are_merged_and_the_end_is_recorded(study: Study) -> None:
    run = new(study)
    run.write(seed=3, options={"epochs": 2})
    run.write(seed=4)
    run.finish(outputs=["encoder.safetensors"], seconds=12.3456)
    record = read_run(run.path).record
    assert (record["seed"], record["options"], record["status"]) == (4, {"epochs": 2}, "finished")
    assert (record["outputs"], record["seconds"]) == (["encoder.safetensors"], 12.346)
    assert (study.runs / "latest").read_text() == "variable-gfr\n"


def test_a_failed_run_says_why(study: Study) -> None:
    run = new(study)
    run.fail("the loss is not finite")
    again = read_run(run.path)
    assert (again.status, again.record["reason"]) == ("failed", "the loss is not finite")
    again.resume()
    assert read_run(run.path).status == "running"


def test_each_resume_notes_its_versions(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    run = new(study)
    first = dict(run.record["versions"])
    monkeypatch.setattr(runs_module, "versions", lambda: {"medcl": "9.9"})
    run.resume()
    run.resume()
    record = read_run(run.path).record
    assert record["versions"] == first, "those that it was started with"
    assert [again["versions"] for again in record["resumed"]] == [{"medcl": "9.9"}] * 2
    assert record["resumed"][0]["at"] < record["resumed"][1]["at"]


def test_a_killed_run_is_told_from_a_running_one(study: Study) -> None:
    run = new(study)
    assert run.status == "running"
    child = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(child, 0)
    run.write(pid=child)
    assert read_run(run.path).status == "stopped"
    run.write(host=f"not-{socket.gethostname()}")
    assert read_run(run.path).status == "running"


def test_the_newest_finished_run_of_the_kind_is_chosen(study: Study) -> None:
    first, second, other = new(study), new(study), new(study, "other", kind="segment")
    second.finish(outputs=[], seconds=1)
    first.finish(outputs=[], seconds=1)
    other.finish(outputs=[], seconds=1)
    new(study)
    assert newest_run(study, "pretrain").name == first.name
    assert newest_run(study, "segment").name == "other"
    assert newest_run(study, "pretrain", ("running",)).name == "variable-gfr-3"
    (study.runs / "latest").write_text(f"{second.name}\n")
    assert newest_run(study, "pretrain").name == second.name


def test_unreadable_runs_are_passed_over_and_listed_with_the_reason(study: Study) -> None:
    good, torn, newer = new(study, "good"), new(study, "torn"), new(study, "newer")
    for run in (good, torn, newer):
        run.finish(outputs=[], seconds=1)
    (torn.path / "run.json").write_text('{"format": 1, "kin')
    newer.write(format=RUN_FORMAT + 1)
    assert newest_run(study, "pretrain").name == "good"
    listed = {run.name: run for run in list_runs(study)}
    assert {name: run.status for name, run in listed.items()} == {
        "good": "finished",
        "torn": "unreadable",
        "newer": "unreadable",
    }
    assert "no whole JSON" in listed["torn"].record["reason"]


def test_a_newer_format_says_to_upgrade(study: Study) -> None:
    run = new(study)
    run.write(format=RUN_FORMAT + 1, versions={"medcl": "9.0"})
    with pytest.raises(BadInput, match=r"format 2 \(medcl 9\.0\); this medcl reads up to 1\. Upgrade") as caught:
        read_run(run.path)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "x"}'])
def test_records_that_are_none(study: Study, content: str) -> None:
    run = new(study)
    (run.path / "run.json").write_text(content)
    with pytest.raises(BadInput, match="not the record of a run"):
        read_run(run.path)


def test_no_run_names_what_is_there_and_what_to_run(study: Study) -> None:
    with pytest.raises(BadInput, match=r"runs there: none\).*medcl pretrain"):
        newest_run(study, "pretrain")
    new(study, "busy")
    with pytest.raises(BadInput, match=r"busy \(pretrain, running\)"):
        newest_run(study, "pretrain")
    with pytest.raises(BadInput, match="is no run folder"):
        read_run(study.runs / "nowhere")
    (study.runs / "stray").mkdir()
    assert [run.name for run in list_runs(study)] == ["busy"]


def test_a_full_disk_leaves_no_folder(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFailed, match="disk is full"):
        new(study)
    assert list(study.runs.iterdir()) == []


def test_runs_that_cannot_be_made(study: Study) -> None:
    study.runs.touch()
    with pytest.raises(RunFailed, match="cannot be made"):
        new(study)
