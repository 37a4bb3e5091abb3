"""splits.csv as people edit it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.study.split_file import Splits, read_splits


def read(folder: Path, text: str) -> Splits:
    (folder / "splits.csv").write_text(text, encoding="utf-8")
    return read_splits(folder / "splits.csv")


def test_a_file_from_a_spreadsheet(tmp_path: Path) -> None:
    splits = read(tmp_path, "\ufeffSubject;Split\r\nP1;Training\r\nP2;validation\r\nP3;TEST\r\n")
    assert splits.of() == {"P1": "train", "P2": "val", "P3": "test"}
    assert splits.counts() == {"train": 1, "val": 1, "test": 1}


def test_folds(tmp_path: Path) -> None:
    splits = read(tmp_path, "patient,split,fold\nP1,train,1\nP2,test,1\nP1,test,2\nP2,train,2\n")
    assert splits.folds == [1, 2]
    assert splits.of(2) == {"P1": "test", "P2": "train"}


def test_all_problems_come_together(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, "patient,split,fold\nP1,trian,1\n,test,1\nP3,test,x\nP1,test,1\nP5,test,0\n")
    text = "\n".join(caught.value.problems)
    for part in (
        "row 2, column 'split': 'trian'",
        "row 3, column 'patient': is empty",
        "row 4, column 'fold': 'x'",
        "row 5: patient 'P1' stands in row 2 already",
        "row 6, column 'fold': '0'",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,part\nP1,train\n", "required column 'split' is missing; the columns are 'patient', 'part'"),
        ("patient,subject,split\nP1,P1,train\n", "columns 1 and 2 both mean patient"),
        ("patient,split\n", "has no rows"),
        ("", "empty"),
    ],
)
def test_tables_that_are_no_splits(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(tmp_path, text)
