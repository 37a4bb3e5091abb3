"""--clinical: where the tables are found, and that each command reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.workflows.clinical_options import read_options_cohort
from medcl.workflows.embed import EmbedOptions
from medcl.workflows.fold import build_fold, prepare
from medcl.workflows.listing import ListOptions
from medcl.workflows.pretrain import PretrainOptions
from medcl.workflows.visualize import VisualizeOptions

Medcl = Callable[..., tuple[int, str]]


def laboratory(study: Path, step: int = 10) -> Path:
    """A table of haemoglobin that rises from patient to patient; the mean about day 365 is 80 + step * number."""
    days = {10: 50, 350: -1, 380: 1}
    rows = [f"P{n:03d},{day},{80 + step * n + more}" for n in range(1, 13) for day, more in days.items()]
    file = study / "laboratory.csv"
    file.write_text("\n".join(["patient,days,haemoglobin [g/L]", *rows]) + "\n")
    return file


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A study without images."""
    root = tmp_path / "study"
    root.mkdir()
    (root / "cohort.csv").write_text("patient,exam,image\nP001,D15,a\nP002,D15,b\n")
    return root


def test_files_are_found_here_and_in_the_study(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = laboratory(small)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.csv").write_text("patient,donor age\nP001,50\n")
    options = VisualizeOptions(study=small, clinical="laboratory.csv,here.csv")
    assert options.clinical == [file, tmp_path / "here.csv"]
    cohort = read_options_cohort(Study(small), options)
    assert [each.name for each in cohort.readings] == ["haemoglobin", "donor_age"]
    assert EmbedOptions(study=small, clinical=["laboratory.csv"]).clinical == [file]
    with pytest.raises(BadInput, match=r"gone\.csv: no such file"):
        read_options_cohort(Study(small), VisualizeOptions(study=small, clinical="gone.csv"))


@pytest.mark.parametrize("model", [PretrainOptions, EmbedOptions, VisualizeOptions, ListOptions])
def test_the_table_study_of_the_settings_holds_for_every_command(small: Path, model: type[VisualizeOptions]) -> None:
    file = laboratory(small)
    (small / "medcl.toml").write_text('[study]\nclinical = ["laboratory.csv"]\n[visualize]\nseed = 3\n')
    given = {"study": small, "variable": "gfr", "what": "variables"}
    found = model.resolve({name: value for name, value in given.items() if name in model.model_fields})
    assert found.clinical == [file]
    assert getattr(found, "seed", 3) in (0, 3)


def test_what_is_nearer_wins(small: Path) -> None:
    laboratory(small)
    (small / "medcl.toml").write_text('[study]\nclinical = ["laboratory.csv"]\n[visualize]\nclinical = ["a.csv"]\n')
    assert VisualizeOptions.resolve({"study": small}).clinical == [(small / "a.csv")]
    assert VisualizeOptions.resolve({"study": small, "clinical": ["b.csv"]}).clinical == [(small / "b.csv")]
    assert PretrainOptions.resolve({"study": small, "resume": True}).clinical == []


def test_a_wrong_setting_of_the_study_is_refused(small: Path) -> None:
    (small / "medcl.toml").write_text("[study]\nepochs = 3\n")
    with pytest.raises(BadInput, match=r"medcl.toml \[study\] epochs: no such setting; known: clinical"):
        VisualizeOptions.resolve({"study": small})


def test_list_shows_readings_derived_variables_and_what_did_not_match(small: Path, medcl: Medcl) -> None:
    laboratory(small)
    (small / "clinical.csv").write_text("patient,screat [mg/dL],age,sex\nP1,1.2,50,F\nP9,1.3,40,M\n")
    status, told = medcl("list", "variables", "--study", small, "--clinical", "laboratory.csv")
    assert status == 0
    assert "clinical.csv: has 1 of the 2 patients of cohort.csv, and nothing of 1 ('P002')" in told
    assert "clinical.csv: not in cohort.csv: 1 of its patients ('P9')" in told
    assert "laboratory.csv: not in cohort.csv: 10 of its patients" in told
    assert "haemoglobin: 6 readings of 2 patients in laboratory.csv, days 10 to 380; asked for as" in told
    _, text = medcl("list", "variables", "--study", small, "--clinical", "laboratory.csv", "--json")
    rows = {row["name"]: row for row in json.JSONDecoder().raw_decode(text)[0]}
    assert rows["haemoglobin"]["kind"] == "readings"
    assert (rows["haemoglobin"]["present"], rows["haemoglobin"]["low"]) == (2, 89)
    assert (rows["egfr_ckdepi2021"]["present"], rows["egfr_ckdepi2021"]["missing"]) == (1, 1)


def test_pretrain_takes_a_variable_made_of_readings(study: Path) -> None:
    file = laboratory(study)
    asked = {"study": study, "variable": "haemoglobin@365+-30", "thresholds": "15,25"}
    options = PretrainOptions.resolve({**asked, "clinical": [file]})
    prepared = prepare(Study(study), options)
    samples = build_fold(prepared, options, None).samples
    assert samples.values is not None
    expected = [80 + 10 * int(patient[1:]) for patient in samples.patients]
    np.testing.assert_array_equal(samples.values, expected)
    assert (samples.variable, samples.label) == ("haemoglobin@365+-30", "haemoglobin@365+-30 [g/L]")
    assert "haemoglobin@365+-30: made of the readings in laboratory.csv" in prepared.notes
    laboratory(study, step=11)
    assert prepare(Study(study), options).inputs["values"] != prepared.inputs["values"]
    with pytest.raises(BadInput, match="--clinical FILE"):
        prepare(Study(study), PretrainOptions.resolve(asked))
