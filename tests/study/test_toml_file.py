"""TOML files of any editor, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.toml_file import read_toml


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes("\ufeffa = 1\r\n[b]\r\nc = 'µ'\r\n".encode())
    assert read_toml(tmp_path / "a.toml", "rules") == {"a": 1, "b": {"c": "µ"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = x\n", r"a\.toml: is no valid TOML: .*line 2.*Text values need quotes"),
        (b'a = 1\nb = "\xb5mol"\n', r"a\.toml: line 2 is not UTF-8"),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_toml(tmp_path / "a.toml", "rules")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"b\.toml: no such file; expected rules of prompts as TOML"):
        read_toml(tmp_path / "b.toml", "rules of prompts")
    with pytest.raises(BadInput, match=r"cannot be read \(.+\); expected rules"):
        read_toml(tmp_path, "rules")
