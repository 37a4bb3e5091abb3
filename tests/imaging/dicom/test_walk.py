"""Walking a tree: everything once, cycles end, and what cannot be looked at is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medcl.imaging.dicom.header import LeftOut
from medcl.imaging.dicom.walk import walk


def names(root: Path) -> list[str]:
    return [str(each.relative_to(root)) for each in walk(root) if isinstance(each, Path)]


def test_any_depth_in_a_fixed_order_without_what_nobody_needs(tmp_path: Path) -> None:
    deep = tmp_path / "b" / "/".join("d" * 30)
    deep.mkdir(parents=True)
    for name in ("b/2", "b/1", "a", "DICOMDIR", "b/Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    (deep / "leaf").write_bytes(b"x")
    assert names(tmp_path) == ["a", "b/1", "b/2", f"{deep.relative_to(tmp_path)}/leaf"]


def test_cycles_and_second_links_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
    os.link(tmp_path / "a" / "file", tmp_path / "second")
    assert names(tmp_path) in (["second"], ["a/file"])


def test_links_outside_are_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert names(tmp_path / "tree") == ["link/file"]


def test_pipes_and_broken_links_are_told_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    told = {each.path.name: each.reason for each in walk(tmp_path) if isinstance(each, LeftOut)}
    assert told == {"pipe": "no plain file (a pipe, socket or device)", "link": "a link that leads nowhere"}


def test_folders_that_cannot_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "file").write_bytes(b"x")
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if folder.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(walk(tmp_path))
    assert LeftOut(tmp_path / "closed", "the folder cannot be read (Permission denied)") in found
    assert tmp_path / "open" / "file" in found
