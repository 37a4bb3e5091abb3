"""medcl.toml: its tables, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.settings import read_settings, read_settings_file

KNOWN = ("preprocess", "pretrain", "embed")


def write(folder: Path, content: bytes) -> Path:
    (folder / "medcl.toml").write_bytes(content)
    return folder


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == {}
    with pytest.raises(BadInput, match="no such settings file"):
        read_settings_file(tmp_path / "other.toml")


def test_tables_are_read_with_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    write(tmp_path, "\ufeff[pretrain]\r\nepochs = 3\r\n[preprocess.ct]\r\nsize = [1, 2, 3]\r\n".encode())
    assert read_settings(tmp_path, KNOWN) == {"pretrain": {"epochs": 3}, "preprocess": {"ct": {"size": [1, 2, 3]}}}


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    write(tmp_path, b"[pretrain]\nepochs = 3\nvariable = gfr\n")
    with pytest.raises(BadInput, match=r"medcl\.toml.*line 3"):
        read_settings(tmp_path)


def test_other_encodings_name_the_line(tmp_path: Path) -> None:
    write(tmp_path, b'[pretrain]\nvariable = "cr\xe9at"\n')
    with pytest.raises(BadInput, match="line 2 is not UTF-8"):
        read_settings(tmp_path)


def test_all_wrong_tables_come_together_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, b"epochs = 3\n[pretrian]\nlr = 1\n[zzz]\na = 1\n")
    assert read_settings(write(tmp_path / "", b"[anything]\n"), None) == {"anything": {}}
    write(tmp_path, b"epochs = 3\n[pretrian]\nlr = 1\n[zzz]\na = 1\n")
    with pytest.raises(BadInput) as caught:
        read_settings(tmp_path, KNOWN)
    outside, mistyped, unknown = caught.value.problems
    assert "'epochs = ...' stands outside any table" in outside
    assert "unknown table [pretrian]; did you mean [pretrain]" in mistyped
    assert "[embed], [preprocess], [pretrain]" in unknown
