"""Whole files or none, and a full disk told in a sentence."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import read_json, remove_unsettled, write_json, write_text, write_unsettled, write_whole


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_temporary_file_lies_beside_with_the_same_suffix_and_becomes_the_file(tmp_path: Path) -> None:
    target = tmp_path / "new" / "volume.nii.gz"
    with write_whole(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert files_in(target.parent) == ["volume.nii.gz"]


def test_an_unsettled_file_becomes_the_file_when_it_is_settled(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.npy"
    with write_unsettled(target, "mine") as unsettled:
        unsettled.temporary.write_bytes(b"whole")
    assert files_in(target.parent) == [unsettled.temporary.name]
    assert unsettled.temporary.name == ".unfinished-mine-a.npy"
    unsettled.settle()
    assert files_in(target.parent) == ["a.npy"]
    assert target.read_bytes() == b"whole"


def test_settling_asks_the_disk_before_the_name_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crash of the machine leaves is decided here: data first, then the name, then the folder."""
    asked = []

    def fsync(opened: int) -> None:
        asked.append("folder" if stat.S_ISDIR(os.fstat(opened).st_mode) else "file")

    def rename(source: Path, target: Path, plain: Callable[[Path, Path], None] = os.replace) -> None:
        asked.append("rename")
        plain(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    with write_unsettled(tmp_path / "a.npy", "mine") as unsettled:
        unsettled.temporary.write_bytes(b"whole")
    assert asked == []
    unsettled.settle()
    assert asked == ["file", "rename", "folder"]


def test_only_what_has_the_mark_is_removed(tmp_path: Path) -> None:
    for mark in ("mine", "yours"):
        with write_unsettled(tmp_path / "a.npy", mark) as unsettled:
            unsettled.temporary.write_bytes(b"whole")
    write_text(tmp_path / "b.txt", "stays")
    remove_unsettled(tmp_path, "mine")
    assert files_in(tmp_path) == [".unfinished-yours-a.npy", "b.txt"]


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_nothing_unsettled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def full(*_: object) -> None:
        raise no_space()

    def write() -> None:
        with write_unsettled(tmp_path / "a.npy", "mine") as unsettled:
            unsettled.temporary.write_bytes(b"half")
            if when == "write":
                full()
        monkeypatch.setattr(os, when, full)
        unsettled.settle()

    with pytest.raises(RunFailed, match="disk is full"):
        write()
    assert files_in(tmp_path) == []


def write_and_fail(target: Path, error: BaseException, cause: BaseException | None = None) -> None:
    with write_whole(target) as temporary:
        temporary.write_text("half")
        raise error from cause


def test_an_error_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError):
        write_and_fail(target, ZeroDivisionError())
    assert target.read_text() == "old"
    assert files_in(tmp_path) == ["a.txt"]


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_fail(tmp_path / "a.txt", KeyboardInterrupt())
    assert files_in(tmp_path) == []


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("when", ["write", "fsync", "replace"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    def full(*_: object) -> None:
        raise no_space()

    target = tmp_path / "a.txt"
    if when == "write":
        with pytest.raises(RunFailed) as caught:
            write_and_fail(target, no_space())
    else:
        monkeypatch.setattr(os, when, full)
        with pytest.raises(RunFailed) as caught:
            write_text(target, "whole")
    assert "disk is full" in str(caught.value)
    assert str(target) in str(caught.value)
    assert "Free space" in str(caught.value)
    assert caught.value.exit_status == 1
    assert files_in(tmp_path) == []


def test_a_full_disk_is_seen_behind_a_librarys_own_error(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="disk is full"):
        write_and_fail(tmp_path / "a", RuntimeError("write failed"), cause=no_space())
    with pytest.raises(RunFailed, match="disk is full"):
        write_and_fail(tmp_path / "a", ValueError("Error: No space left on device (os error 28)"))


@pytest.mark.parametrize(
    "error",
    [
        OSError("100 requested and 12 written"),  # NumPy
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 832 vs 726"),  # torch
    ],
)
def test_a_full_disk_is_seen_where_the_error_does_not_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def free_while_unfinished(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=10 if files_in(folder) else 10**12)

    monkeypatch.setattr("shutil.disk_usage", free_while_unfinished)
    with pytest.raises(RunFailed, match="disk is full"):
        write_and_fail(tmp_path / "a", error)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10**12))
    with pytest.raises(type(error), match=r"12 written|inline_container"):
        write_and_fail(tmp_path / "a", error)
    assert files_in(tmp_path) == []


def test_a_folder_that_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunFailed, match=r"Make .* writable"):
        write_text(tmp_path / "a.txt", "x")
    assert files_in(tmp_path) == []


def test_the_file_is_synced_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def seen_fsync(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(os.readlink(f"/proc/self/fd/{descriptor}")) else "file")
        fsync(descriptor)

    def seen_replace(source: Path, target: Path) -> None:
        order.append("rename")
        replace(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to tell files from folders")
    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "replace", seen_replace)
    write_text(tmp_path / "a.txt", "x")
    assert order == ["file", "rename", "folder"]


def test_json_holds_plain_values_and_null_for_what_is_not_finite(tmp_path: Path) -> None:
    content = {
        "path": Path("a/b"),
        "loss": float("nan"),
        "count": np.int64(3),
        "spacing": np.array([1.0, np.inf]),
        "names": {"b", "a"},
        7: (True, None, "é"),
    }
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "é" in text
    assert json.loads(text) == {
        "path": str(Path("a/b")),
        "loss": None,
        "count": 3,
        "spacing": [1.0, None],
        "names": ["a", "b"],
        "7": [True, None, "é"],
    }
    assert read_json(tmp_path / "a.json")["count"] == 3


def test_json_refuses_what_has_no_plain_form(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        write_json(tmp_path / "a.json", {"x": object()})
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("content", [b'{"format": 1, "na', b"", b"\xff\xfe\x00"])
def test_torn_json_is_bad_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(BadInput, match=r"run\.json: is no whole JSON"):
        read_json(tmp_path / "run.json")


def test_missing_json_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_json(tmp_path / "run.json")
