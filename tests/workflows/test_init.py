"""`medcl init`: templates that medcl itself can read, and nothing overwritten in silence."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from medcl.cli.app import main
from medcl.study.cohort import read_cohort
from medcl.study.errors import BadInput
from medcl.study.folder import Study
from medcl.study.settings import read_settings
from medcl.workflows.cluster_apply import ClusterApplyOptions
from medcl.workflows.cluster_evaluate import ClusterEvaluateOptions
from medcl.workflows.cluster_train import ClusterTrainOptions
from medcl.workflows.embed import EmbedOptions
from medcl.workflows.evaluate import EvaluateOptions
from medcl.workflows.init import InitOptions, init, settings_template
from medcl.workflows.options import SECTIONS, TABLES
from medcl.workflows.preprocess import PreprocessOptions
from medcl.workflows.pretrain import PretrainOptions
from medcl.workflows.prompts_augment import PromptsAugmentOptions
from medcl.workflows.prompts_preview import PromptsPreviewOptions
from medcl.workflows.segment_apply import SegmentApplyOptions
from medcl.workflows.segment_evaluate import SegmentEvaluateOptions
from medcl.workflows.segment_train import SegmentTrainOptions
from medcl.workflows.translate_apply import TranslateApplyOptions
from medcl.workflows.translate_train import TranslateTrainOptions
from medcl.workflows.visualize import VisualizeOptions

MODELS = {"preprocess": PreprocessOptions, "pretrain": PretrainOptions, "embed": EmbedOptions}
MODELS |= {"segment.train": SegmentTrainOptions, "segment.apply": SegmentApplyOptions}
MODELS |= {"segment.evaluate": SegmentEvaluateOptions, "visualize": VisualizeOptions}
MODELS |= {"cluster.train": ClusterTrainOptions, "cluster.apply": ClusterApplyOptions}
MODELS |= {"cluster.evaluate": ClusterEvaluateOptions}
MODELS |= {"prompts.preview": PromptsPreviewOptions, "prompts.augment": PromptsAugmentOptions}
MODELS |= {"evaluate": EvaluateOptions}
MODELS |= {"translate.train": TranslateTrainOptions, "translate.apply": TranslateApplyOptions}


def test_a_new_study_is_started(tmp_path: Path) -> None:
    root = tmp_path / "new" / "study"
    started = init(InitOptions(study=root))
    assert started.written == [root / "cohort.csv", root / "medcl.toml"]
    assert Study.find(root).root == root
    assert sorted(path.name for path in root.iterdir()) == ["cohort.csv", "medcl.toml"]


def test_the_cohort_template_is_read_once_rows_are_added(tmp_path: Path) -> None:
    init(InitOptions(study=tmp_path))
    file = tmp_path / "cohort.csv"
    with pytest.raises(BadInput, match="has no rows yet: add one row per image"):
        read_cohort(file)
    (tmp_path / "a.nii.gz").touch()
    with file.open("a") as opened:
        opened.write("# P000,D15,water,gone.nii.gz,1,1\nP001,D15,water,a.nii.gz,45.2,130\n")
    cohort = read_cohort(file)
    assert cohort.cases() == ["P001_D15_water"]
    assert cohort.variable("gfr").unit == "mL/min/1.73m2"
    assert cohort.variable("screat").values.iloc[0] == 130


def test_the_example_row_of_the_template_fits_its_header(tmp_path: Path) -> None:
    init(InitOptions(study=tmp_path))
    lines = (tmp_path / "cohort.csv").read_text().splitlines()
    assert lines[-2].startswith("# P001,")
    assert len(lines[-2].split(",")) == len(lines[-1].split(","))


def test_the_settings_template_changes_nothing_as_it_stands(tmp_path: Path) -> None:
    init(InitOptions(study=tmp_path))
    expected: dict[str, dict[str, dict[str, str]]] = {}
    for command in SECTIONS:
        group, _, below = command.partition(".")
        expected.setdefault(group, {}).update({below: {}} if below else {})
    assert read_settings(tmp_path, TABLES) == expected


@pytest.mark.parametrize("command", SECTIONS)
def test_every_line_of_the_settings_template_is_a_setting_with_its_default(tmp_path: Path, command: str) -> None:
    text = re.sub(r"^# ([a-z0-9-]+ = (?!\[?<).*)$", r"\1", settings_template(), flags=re.MULTILINE)
    tables = tomllib.loads(text)
    for part in command.split("."):
        tables = tables[part]
    assert len(tables) >= 3
    fields = {name.replace("_", "-"): field for name, field in MODELS[command].model_fields.items()}
    for name, value in tables.items():
        default = fields[name].default
        assert value == (list(default) if isinstance(default, tuple) else default)
    for name in re.findall(r"^# ([a-z0-9-]+) = \[?<", settings_template(), flags=re.MULTILINE):
        assert any(name.replace("-", "_") in model.model_fields for model in MODELS.values())


def test_an_existing_study_is_refused_naming_overwrite(tmp_path: Path) -> None:
    init(InitOptions(study=tmp_path))
    (tmp_path / "cohort.csv").write_text("mine")
    with pytest.raises(BadInput, match="--overwrite"):
        init(InitOptions(study=tmp_path))
    assert (tmp_path / "cohort.csv").read_text() == "mine"
    init(InitOptions(study=tmp_path, overwrite=True))
    assert (tmp_path / "cohort.csv").read_text() != "mine"


def test_a_file_that_is_there_is_kept_and_the_other_written(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("mine")
    started = init(InitOptions(study=tmp_path))
    assert (started.kept, started.written) == ([tmp_path / "cohort.csv"], [tmp_path / "medcl.toml"])
    assert (tmp_path / "cohort.csv").read_text() == "mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="is a file"):
        init(InitOptions(study=tmp_path / "file"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "medcl.toml").write_text("")
    with pytest.raises(SystemExit) as left:
        main(["init", "--study", str(tmp_path)])
    assert not left.value.code
    output = capsys.readouterr().out
    assert f"kept   {tmp_path / 'medcl.toml'}" in output
    assert f"wrote  {tmp_path / 'cohort.csv'}" in output
    with pytest.raises(SystemExit) as left:
        main(["init", "--study", str(tmp_path)])
    assert left.value.code == 2
    assert "--overwrite" in capsys.readouterr().err
