"""Commands that share their first word, as `medcl segment train`."""

from __future__ import annotations

import sys

import pytest

from medcl.cli import app
from medcl.cli.registry import COMMANDS, Group

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
