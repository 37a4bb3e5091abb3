from __future__ import annotations

from pathlib import Path

import pytest

from medcl.study.errors import BadInput
from medcl.training.metrics import FILE, TIME_COLUMNS, Metrics


def rows(epoch: int) -> list[dict[str, object]]:
    return [
        {"epoch": epoch, "step": 5 * epoch, "split": "train", "loss": 0.1 + 0.2, "lr": 1e-2, "seconds": 2.0},
        {"epoch": epoch, "step": 5 * epoch, "split": "val", "loss": 1 / 3},
    ]


def test_file_has_a_row_for_each_epoch_and_split(tmp_path: Path) -> None:
    Metrics(tmp_path).append(*rows(1))
    lines = (tmp_path / FILE).read_text().splitlines()
    assert lines[0] == ",".join(["epoch", "step", "split", "loss", "lr", *TIME_COLUMNS])
    assert lines[1] == "1,5,train,0.30000000000000004,0.01,2.0,,,,,,"
    assert lines[2] == "1,5,val,0.3333333333333333,,,,,,,,"


def test_cutting_back_and_making_the_rows_again_gives_the_same_file(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    for epoch in (1, 2, 3):
        metrics.append(*rows(epoch))
    whole = (tmp_path / FILE).read_text()
    resumed = Metrics(tmp_path)
    resumed.cut_back(1)
    assert len((tmp_path / FILE).read_text().splitlines()) == 3
    for epoch in (2, 3):
        resumed.append(*rows(epoch))
    assert (tmp_path / FILE).read_text() == whole


def test_a_column_that_comes_later_is_added_for_all_rows(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    metrics.append(*rows(1))
    metrics.append({"epoch": 2, "step": 10, "split": "train", "loss": 1.0, "new": 4})
    lines = (tmp_path / FILE).read_text().splitlines()
    assert lines[0].startswith("epoch,step,split,loss,lr,new,seconds")
    assert len({line.count(",") for line in lines}) == 1


def test_cutting_nothing_writes_nothing(tmp_path: Path) -> None:
    Metrics(tmp_path).cut_back(0)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["name,value\na,1\n", "epoch,step\n1,2,3\n", "epoch,step\nx,2\n"])
def test_another_table_of_that_name_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(BadInput, match=r"metrics\.csv"):
        Metrics(tmp_path)
