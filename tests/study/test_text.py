"""Encodings of table files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.problems import Problems
from medcl.study.text import read_text

TEXT = "patient;größe;créatinine [µmol/L]\r\nP1;é;1\r\n"


def read(folder: Path, content: bytes) -> tuple[str, list[str]]:
    file = folder / "t.csv"
    file.write_bytes(content)
    problems = Problems(file)
    return read_text(file, problems), problems.lines()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert read(tmp_path, TEXT.encode(encoding)) == (TEXT, [])


def test_utf16_big_endian(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xfe\xff" + TEXT.encode("utf-16-be")) == (TEXT, [])


def test_lines_of_both_encodings(tmp_path: Path) -> None:
    lines = TEXT.splitlines(keepends=True)
    assert read(tmp_path, lines[0].encode("utf-8") + lines[1].encode("cp1252")) == (TEXT, [])
    assert read(tmp_path, b"\xef\xbb\xbf" + lines[0].encode("cp1252") + lines[1].encode("utf-8")) == (TEXT, [])


def test_bytes_of_neither_encoding_name_the_row(tmp_path: Path) -> None:
    _, lines = read(tmp_path, b"a\nb\nc\x81\n")
    assert len(lines) == 1
    assert "row 3" in lines[0]
    assert "0x81" in lines[0]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04rest", "workbook"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel"),
        (b"\x1f\x8brest", "gzip"),
        (b"%PDF-1.4", "PDF"),
        ("a;b".encode("utf-16-le"), "zero bytes"),
        (b"\xff\xfea", "broken UTF-16"),
    ],
)
def test_what_is_no_csv_is_refused_with_the_next_step(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(BadInput, match=what) as caught:
        read(tmp_path, content)
    assert "CSV" in str(caught.value)


def test_a_packed_table_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(tmp_path, gzip.compress(TEXT.encode("cp1252"))) == (TEXT, [])
    with pytest.raises(BadInput, match="broken gzip"):
        read(tmp_path, gzip.compress(TEXT.encode())[:-4])
    monkeypatch.setattr("medcl.study.text.LARGEST_TABLE", 20)
    with pytest.raises(BadInput, match="unpacks to more than"):
        read(tmp_path, gzip.compress(b"a" * 21))
    assert read(tmp_path, gzip.compress(b"a" * 20))[0] == "a" * 20


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_text(tmp_path / "t.csv", Problems(tmp_path))
    with pytest.raises(BadInput, match="cannot be read"):
        read_text(tmp_path, Problems(tmp_path))
