"""Problems in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.problems import Problems


def test_no_problem_raises_nothing() -> None:
    problems = Problems(Path("t.csv"))
    problems.raise_if_any()
    assert not problems


def test_all_come_together_in_the_order_of_rows() -> None:
    problems = Problems(Path("folder/t.csv"))
    problems.add("second", row=7, column="gfr")
    problems.add("first", row=3)
    problems.add("of the table")
    with pytest.raises(BadInput) as caught:
        problems.raise_if_any()
    assert caught.value.problems == [
        "folder/t.csv: of the table",
        "folder/t.csv, row 3: first",
        "folder/t.csv, row 7, column 'gfr': second",
    ]


def test_many_of_one_kind_are_cut_and_counted() -> None:
    problems = Problems(Path("t.csv"))
    for row in range(2, 20):
        problems.add(f"no file {row}", row=row, column="image", kind="missing files")
    problems.add("another", row=30, column="gfr", kind="not a number")
    lines = problems.lines()
    assert len(lines) == 10 + 1 + 1
    assert lines[-1] == (
        "t.csv, column 'image': 8 more like these (missing files), rows 12, 13, 14, 15, 16, 17, 18, 19"
    )


def test_files_below_the_current_folder_are_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = Problems(tmp_path / "study" / "t.csv")
    problems.add("wrong", row=2)
    monkeypatch.chdir(tmp_path)
    assert problems.lines() == ["study/t.csv, row 2: wrong"]
    monkeypatch.chdir("/")
    assert problems.lines() == [f"{str(tmp_path)[1:]}/study/t.csv, row 2: wrong"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert problems.lines() == [f"{tmp_path}/study/t.csv, row 2: wrong"]
