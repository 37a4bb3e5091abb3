from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medcl.study.errors import BadInput, RunFailed
from medcl.training.checkpoint import (
    BEST,
    CHECKPOINT_FORMAT,
    LAST,
    PREVIOUS,
    content_bytes,
    content_checksum,
    has_checkpoint,
    load_checkpoint,
    read_checkpoint,
    remove_unfinished,
    save_best,
    save_checkpoint,
)


def content(number: int) -> dict[str, Any]:
    return {
        "number": number,
        "weights": {"a": torch.full((300,), float(number)), "half": torch.ones(2, dtype=torch.bfloat16)},
        "plain": [1, 2.5, True, None, "x", {"y": torch.tensor(3)}],
    }


def test_what_was_saved_is_read_and_torch_reads_it_without_pickled_code(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, content(1))
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert content_checksum(loaded.content) == content_checksum({"format": CHECKPOINT_FORMAT, **content(1)})
    assert loaded.notes == ()
    assert torch.load(tmp_path / LAST, weights_only=True)["number"] == 1


def test_last_previous_and_best_are_three_files(tmp_path: Path) -> None:
    assert not has_checkpoint(tmp_path)
    assert load_checkpoint(tmp_path) is None
    for number in range(3):
        save_checkpoint(tmp_path, content(number))
    save_best(tmp_path, content(9))
    numbers = {name: read_checkpoint(tmp_path / name)["number"] for name in (LAST, PREVIOUS, BEST)}
    assert numbers == {LAST: 2, PREVIOUS: 1, BEST: 9}
    assert len(list(tmp_path.iterdir())) == 3


def tear(file: Path, how: str) -> None:
    data = bytearray(file.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    if how == "empty":
        data = bytearray()
    if how == "flipped":  # a byte of the weights: torch loads such a file without a word
        position = data.index(np.full(300, 1.0, np.float32).tobytes())
        data[position] ^= 1
    if how == "zeroed":
        data[:200] = bytes(200)
    file.write_bytes(data)


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "zeroed", "gone"])
def test_damaged_last_checkpoint_falls_back_and_says_so(tmp_path: Path, how: str) -> None:
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    if how == "gone":
        (tmp_path / LAST).unlink()
    else:
        tear(tmp_path / LAST, how)
    assert has_checkpoint(tmp_path)
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert (loaded.content["number"], loaded.file.name) == (0, PREVIOUS)
    assert len(loaded.notes) == (how != "gone")
    assert all("damaged" in note and "checkpoint before it is used" in note for note in loaded.notes)


def test_a_flipped_byte_is_invisible_to_torch_alone(tmp_path: Path) -> None:
    """Why there is a checksum."""
    save_checkpoint(tmp_path, content(1))
    tear(tmp_path / LAST, "flipped")
    assert torch.load(tmp_path / LAST, weights_only=True)["weights"]["a"][0] != 1
    with pytest.raises(BadInput, match="checksum"):
        read_checkpoint(tmp_path / LAST)


def test_nothing_but_damaged_files_is_bad_input(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, content(0))
    tear(tmp_path / LAST, "cut")
    with pytest.raises(BadInput, match=r"last\.pt are torn or damaged\.\nStart the run anew with --overwrite"):
        load_checkpoint(tmp_path)
    with pytest.raises(BadInput, match="no such checkpoint"):
        read_checkpoint(tmp_path / BEST)
    torch.save([1], tmp_path / BEST)
    with pytest.raises(BadInput, match="no checkpoint of medcl"):
        read_checkpoint(tmp_path / BEST)


def test_newer_format_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, {**content(1), "format": CHECKPOINT_FORMAT + 1})
    newer, known = CHECKPOINT_FORMAT + 1, CHECKPOINT_FORMAT
    with pytest.raises(BadInput, match=f"has the format {newer}; this medcl reads up to {known}"):
        load_checkpoint(tmp_path)


def test_older_format_is_refused_with_a_way_on(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {**content(1), "format": CHECKPOINT_FORMAT - 1})
    with pytest.raises(BadInput, match=r"made by an earlier medcl.*--init-from"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("where", ["write", "fsync"])
def test_full_disk_keeps_the_checkpoints_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    save_checkpoint(tmp_path, content(0))
    save_checkpoint(tmp_path, content(1))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def full_file(whole: object, file: Any) -> None:
        file.write(b"half")
        full()

    monkeypatch.setattr(*((torch, "save", full_file) if where == "write" else (os, "fsync", full)))
    with pytest.raises(RunFailed, match="disk is full"):
        save_checkpoint(tmp_path, content(2))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, content(0))
    for name in (".unfinished-abc-next.pt", "next.pt"):
        (tmp_path / name).write_bytes(b"half")
    remove_unfinished(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [LAST]


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.tensor([1.0, 3.0])},
        {"a": torch.tensor([1.0, 2.0], dtype=torch.float64)},
        {"a": torch.tensor([[1.0, 2.0]])},
        {"b": torch.tensor([1.0, 2.0])},
        {"a": [1.0, 2.0]},
        {"a": torch.tensor([1.0, 2.0]), "c": None},
    ],
)
def test_checksum_tells_contents_apart(other: dict[str, Any]) -> None:
    assert content_checksum(other) != content_checksum({"a": torch.tensor([1.0, 2.0])})


def test_checksum_does_not_depend_on_how_a_tensor_lies_in_memory() -> None:
    tensor = torch.arange(6.0).reshape(2, 3)
    assert content_checksum(tensor.t().contiguous().t()) == content_checksum(tensor)


def test_objects_have_no_place_in_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="tensors and plain types, not"):
        save_checkpoint(tmp_path, {"path": tmp_path})
    assert not list(tmp_path.iterdir())


def test_bytes_of_all_tensors_are_counted() -> None:
    assert content_bytes({"a": torch.zeros(10), "b": [torch.zeros(2, dtype=torch.float64), 3]}) == 56
