"""Walks a tree of any depth and shape: an export medium, a PACS dump, a folder of links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from medcl.imaging.dicom.header import LeftOut

IGNORED = frozenset({"dicomdir", "thumbs.db", "desktop.ini", ".ds_store"})
"""Files of an export medium or an operating system, in lower case, of which nobody needs to be told."""


def walk(root: Path) -> Iterator[Path | LeftOut]:
    """Yield every plain file below a folder in a fixed order, and what could not be looked at.

    Links are followed, each real folder and file once, so that cycles of links end.

    Args:
        root: the folder.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(root)]
    while waiting:
        folder = waiting.pop()
        try:
            known = _met(os.stat(folder), seen)
            entries = [] if known else sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield LeftOut(Path(folder), f"the folder cannot be read ({error.strerror})")
            continue
        folders = []
        for entry in entries:
            if entry.name.casefold() in IGNORED:
                continue
            try:
                status = entry.stat()  # of what a link leads to
            except OSError as error:
                broken = "a link that leads nowhere" if entry.is_symlink() else f"cannot be read ({error.strerror})"
                yield LeftOut(Path(entry.path), broken)
                continue
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry.path)
            elif not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
                yield LeftOut(Path(entry.path), "no plain file (a pipe, socket or device)")
            elif not _met(status, seen):
                yield Path(entry.path)
        waiting.extend(reversed(folders))


def _met(status: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    """Whether this very file or folder was met before, under this name or another."""
    if status.st_ino == 0:  # a file system without such numbers has no links either
        return False
    identity = (status.st_dev, status.st_ino)
    known = identity in seen
    seen.add(identity)
    return known
