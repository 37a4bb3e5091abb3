"""`medcl list`: methods, runs and variables, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medcl.cli.app import main
from medcl.methods.registry import CLUSTERING_METHODS, METHODS, SEGMENTATION_METHODS, TRANSLATION_METHODS
from medcl.study.folder import Study
from medcl.study.runs import create_run


def run(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    with pytest.raises(SystemExit) as left:
        main(["list", *words])
    told = capsys.readouterr()
    assert (left.value.code or 0) == status, told.err
    return told.err if status else told.out


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    rows = json.loads(run(capsys, *words, "--json"))
    assert isinstance(rows, list)
    return rows


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "cohort.csv").write_text(
        "patient,exam,image,eGFR [mL/min],grade\nP1,D15,gone1.nii,<15,a\nP1,M3,gone2.nii,30,A\nP2,D15,gone3.nii,,b\n"
    )
    return Study(tmp_path)


def test_methods_need_no_study(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    rows = as_json(capsys, "methods")
    assert [row["name"] for row in rows] == [*METHODS, *TRANSLATION_METHODS, *SEGMENTATION_METHODS, *CLUSTERING_METHODS]
    assert {row["command"] for row in rows} == {"pretrain", "translate train", "segment train", "cluster train"}
    assert all(row["title"] and row["paper"] and row["needs"] for row in rows)
    assert "simclr" in run(capsys, "methods")


def test_variables(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    gfr, grade, exam = as_json(capsys, "variables", "--study", str(study.root))
    assert (gfr["name"], gfr["header"], gfr["unit"], gfr["kind"]) == ("gfr", "eGFR [mL/min]", "mL/min", "numeric")
    assert (gfr["present"], gfr["missing"], gfr["censored"], gfr["low"], gfr["high"]) == (2, 1, 1, 15.0, 30.0)
    assert grade["classes"] == {"A": 2, "b": 1}
    assert exam["name"] == "exam"
    lines = run(capsys, "variables", "--study", str(study.root)).splitlines()
    assert lines[0].split() == ["name", "header", "unit", "kind", "present", "missing", "range"]
    assert "15 to 30, median 22.5" in lines[1]
    assert "gfr: 1 value given as a limit" in "\n".join(lines)
    assert "grade: 'a' is read as 'A' in 1 cell" in lines


def test_runs(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"No runs in {study.runs}" in run(capsys, "runs", "--study", str(study.root))
    assert as_json(capsys, "runs", "--study", str(study.root)) == []
    create_run(study, "pretrain", "first", "x", False).finish(outputs=[], seconds=3)
    torn = create_run(study, "pretrain", "second", "x", False)
    (torn.path / "run.json").write_text("{")
    rows = {row["name"]: row for row in as_json(capsys, "runs", "--study", str(study.root))}
    assert (rows["first"]["status"], rows["first"]["seconds"]) == ("finished", 3)
    assert rows["second"]["status"] == "unreadable"
    assert "no whole JSON" in rows["second"]["reason"]
    assert "unreadable" in run(capsys, "runs", "--study", str(study.root))


def test_a_reason_of_several_lines_stays_in_its_line(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    create_run(study, "pretrain", "first", "x", False).fail("CUDA ran out of memory:\n  2 GiB were wanted\n")
    create_run(study, "pretrain", "second", "x", False).fail("the loss is not finite")
    lines = run(capsys, "runs", "--study", str(study.root)).splitlines()
    assert len(lines) == 3
    assert "CUDA ran out of memory: 2 GiB were wanted" in lines[1]


def test_a_column_without_values_is_told_as_such(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    study.cohort_file.write_text("patient,image,gfr\nP1,a.nii,\nP2,b.nii,\n")
    (gfr,) = as_json(capsys, "variables", "--study", str(study.root))
    assert (gfr["kind"], gfr["present"], gfr["range"]) == ("empty", 0, "no values")
    (line,) = [line for line in run(capsys, "variables", "--study", str(study.root)).splitlines() if "gfr" in line[:4]]
    assert line.split()[-5:] == ["empty", "0", "2", "no", "values"]


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "medcl init" in run(capsys, "runs", "--study", str(tmp_path), status=2)
    assert "but methods, runs or variables is expected" in run(capsys, "bananas", status=2)
    (tmp_path / "cohort.csv").write_text("patient\nP1\n")
    assert "required column 'image'" in run(capsys, "variables", "--study", str(tmp_path), status=2)
