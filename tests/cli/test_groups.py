"""Commands that share their first word, as `medcl segment train`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from medcl.cli import app
from medcl.cli.registry import COMMANDS, Group
from medcl.study.errors import BadInput
from medcl.workflows.options import SECTIONS
from medcl.workflows.segment_evaluate import SegmentEvaluateOptions
from medcl.workflows.segment_train import SegmentTrainOptions

GROUPS = {name: entry for name, entry in COMMANDS.items() if isinstance(entry, Group)}


def shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        app.main(words)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out + err


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_lists_its_commands_without_importing_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    modules = {entry.module for entry in GROUPS[name].commands.values()}
    before = modules & set(sys.modules)
    code, text = shown([name, "--help"], capsys)
    assert code == 0
    assert all(entry.help[:30] in text for entry in GROUPS[name].commands.values())
    assert modules & set(sys.modules) == before


def test_an_unknown_command_of_a_group_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = shown(["segment", "everything"], capsys)
    assert code == 2
    assert "everything" in text


def test_a_groups_own_table_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "medcl.toml").write_text("[segment]\nlabeled = '3'\n[segment.train]\nepochs = 7\n")
    with pytest.raises(BadInput, match=r"medcl\.toml \[segment\] labeled: .* stand below \[segment\.train\]"):
        SegmentTrainOptions.resolve({"study": tmp_path})
    (tmp_path / "medcl.toml").write_text("[segment.train]\nepochs = 7\n[segment.evaluate]\nseed = 4\n")
    assert SegmentTrainOptions.resolve({"study": tmp_path}).epochs == 7
    assert SegmentEvaluateOptions.resolve({"study": tmp_path}).seed == 4


def test_every_table_of_a_group_has_its_module() -> None:
    commands = {f"{name}.{below}" for name, group in GROUPS.items() for below in group.commands}
    assert commands == {section for section in SECTIONS if "." in section}
