"""`medcl prompts preview`: what is printed and written, and what is refused before."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from medcl.cli.prompts_preview import summary
from medcl.study.errors import BadInput
from medcl.study.prompt_rules import SHIPPED
from medcl.workflows import options as options_module
from medcl.workflows.prompts_preview import PromptsPreviewed, PromptsPreviewOptions, prompts_preview

COHORT = """\
patient,exam,sequence,image,gfr [mL/min/1.73m2],donor_age [years],screat [umol/L]
P1,D15,t1,a,10,40,100
P1,D15,t2,b,10,40,100
P1,M3,t1,c,,40,300
P2,D15,t1,d,70,80,
P3,M9,t1,e,,,
"""
OWN = """\
templates = ["Function: {gfr}.", "It is {gfr}."]

[slots.gfr]
variable = "gfr"
thresholds = [60]
words = ["bad", ["good", "fine"]]
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "cohort.csv").write_text(COHORT)
    return tmp_path / "study"


def run(study: Path, **options: object) -> PromptsPreviewed:
    return prompts_preview(PromptsPreviewOptions.resolve({"study": study, **options}))


def printed(found: PromptsPreviewed, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    summary(found)
    return capsys.readouterr().out.splitlines()


def test_every_prompt_with_its_row(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(run(study), capsys)
    assert lines[0].split() == ["row", "image", "template", "dropped", "prompt"]
    assert lines[1].split(maxsplit=4) == [
        *("2", "P1_D15_t1", "1", "-"),
        "MRI of a kidney transplant at the two weeks check-up. The function of the graft is extremely low. "
        "The age of the donor was low. Creatinine is unstable over time.",
    ]
    assert lines[3].split(maxsplit=4)[:4] == ["4", "P1_M3_t1", "3", "gfr"]
    assert lines[4].split(maxsplit=4)[:4] == ["5", "P2_D15_t1", "4", "stability"]
    assert len({line.index(word) for line, word in zip(lines, ["prompt", "MRI", "Two weeks visit"], strict=False)}) == 1
    assert lines[5:] == [
        "",
        "4 of 5 images have a prompt.",
        "Without any prompt, left out of a training: P3_M9_t1 (row 6).",
        "Without a value, so that sentences are dropped: exam in 1 image, gfr in 2 images, donor_age in 1 image, "
        "stability in 2 images.",
        "70 distinct prompts by 10 templates and their synonyms; 3 distinct statements, template and synonyms aside.",
    ]


def test_all_templates_and_distinct(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every = printed(run(study, all_templates=True), capsys)
    assert [line.split()[:3] for line in every[1:12]][8:] == [
        *(["2", "P1_D15_t1", "9"], ["2", "P1_D15_t1", "10"]),
        ["3", "P1_D15_t2", "1"],
    ]
    assert every.index("") == 41
    distinct = printed(run(study, distinct=True), capsys)
    assert distinct.index("") == 70
    assert len(set(distinct[:70])) == 70
    assert {line.split(maxsplit=4)[4] for line in every[1:41]} <= set(distinct[:70])


def test_the_rules_of_the_study_those_given_and_those_of_medcl(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="medcl"):
        run(study)
        (study / "prompts.toml").write_text(OWN)
        own = run(study)
        other = study.parent / "other.toml"
        other.write_text(OWN.replace("Function", "Graft function"))
        given = run(study, rules=other)
    assert "Rules: those for kidney transplantation that come with medcl; 4 slots (exam, gfr, donor_age" in caplog.text
    assert f"Rules: {study / 'prompts.toml'}; 1 slot (gfr), 2 templates." in caplog.text
    assert f"Rules: {other}; 1 slot (gfr), 2 templates." in caplog.text
    assert own.texts == [
        "Function: bad.",
        "It is bad.",
        "Function: good.",
        "Function: fine.",
        "It is good.",
        "It is fine.",
    ]
    assert [prompt.text for prompt in own.prompts] == ["Function: bad.", "It is bad.", "Function: good."]
    assert "Graft function: bad." in given.texts
    assert run(study, rules=SHIPPED).rules.shipped


def test_settings_name_the_rules(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_module, "TABLES", {*options_module.TABLES, "prompts"})
    monkeypatch.setattr(options_module, "SECTIONS", {*options_module.SECTIONS, "prompts.preview"})
    (study / "mine.toml").write_text(OWN)
    (study / "medcl.toml").write_text('[prompts.preview]\nrules = "mine.toml"\n')
    assert run(study).rules.file == study / "mine.toml"


def test_part_of_the_images_keeps_all_values_of_their_patients(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(study, only=["exam=d15", "patient=P1"])
    assert [prompt.case for prompt in found.prompts] == ["P1_D15_t1", "P1_D15_t2"]
    assert all(
        "unstable" in text or "fluctuating" in text or "variable" in text for text in map(str.lower, found.texts)
    )
    assert (found.images, found.statements, len(found.texts)) == (2, 1, 30)
    lines = printed(found, capsys)
    assert "2 of 2 images have a prompt." in lines
    assert "Without a value, so that sentences are dropped: no slot of any image." in lines
    assert not any("Without any prompt" in line for line in lines)
    nothing = run(study, only=["exam=M9"])
    assert (nothing.prompts, nothing.texts, nothing.without) == ([], [], [("P3_M9_t1", 6)])


def test_values_of_clinical_tables_are_read(study: Path) -> None:
    (study.parent / "lab.csv").write_text("patient,days,creatinine [mg/dL]\nP2,1,1\nP2,9,5\n")
    found = run(study, clinical=[study.parent / "lab.csv"])
    assert found.missing["stability"] == 1
    assert ("stability", "unstable/fluctuating/variable") in found.prompts[3].statement


def test_the_table(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = study.parent / "prompts.csv"
    found = run(study, csv=file, all_templates=True, distinct=True)
    assert printed(found, capsys)[-1] == f"Table: {file}"
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 40
    assert [row["prompt"] for row in rows] == [prompt.text for prompt in found.prompts]
    assert rows[20] | {"prompt": ""} == {
        **{"case": "P1_M3_t1", "row": "4", "template": "1", "prompt": ""},
        **{"used": "exam donor_age stability", "dropped": "gfr"},
    }
    with pytest.raises(BadInput, match=r"prompts\.csv: is there already; name another file, or give --overwrite"):
        run(study, csv=file)
    run(study, csv=file, overwrite=True)
    assert len(file.read_text().splitlines()) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ["exam"]}, "--only: got .*COLUMN=VALUE is expected, such as exam=D15"),
        ({"only": ["exam=D99"]}, r"--only exam=D99: no image .* in column 'exam'; there are: D15, M3, M9"),
        ({"distinct": True, "all_templates": True}, "--all-templates has no meaning with --distinct"),
        ({"rules": "none.toml"}, r"none\.toml: no such file; expected rules of prompts"),
        ({"rules": "."}, "cannot be read"),
        ({"clinical": ["none.csv"]}, r"none\.csv: no such file"),
    ],
)
def test_what_is_refused(study: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run(study, **options)


def test_a_table_without_a_column_of_the_rules(study: Path) -> None:
    (study / "cohort.csv").write_text(COHORT.replace("donor_age [years]", "recipient age"))
    with pytest.raises(BadInput) as caught:
        run(study, csv=study.parent / "prompts.csv")
    assert "[slots.donor_age]: " in caught.value.problems[0]
    assert f"put a changed copy of {SHIPPED} into the study as prompts.toml" in caught.value.problems[1]
    assert not (study.parent / "prompts.csv").exists()


def test_the_door_imports_nothing_heavy() -> None:
    code = (
        "import sys, medcl.cli.prompts_preview\n"
        "print([name for name in ('torch', 'pandas', 'numpy', 'nibabel', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
