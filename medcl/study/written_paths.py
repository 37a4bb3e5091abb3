"""How tables name files: relative to the study where they lie in it, so that a study can be moved, else absolute."""

from __future__ import annotations

import os
from pathlib import Path


def base_of(folder: Path, room: str) -> Path:
    """What relative paths of a table start from: the study of `room/NAME`, else the table's own folder.

    Args:
        folder: of the table.
        room: the study's folder for such tables, as "segmentations".
    """
    folder = Path(folder).absolute()
    return folder.parent.parent if folder.parent.name == room else folder


def written_path(path: Path | None, base: Path) -> str:
    """A path as it is written; "" for none."""
    if path is None:
        return ""
    absolute = Path(os.path.abspath(path))
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else str(absolute)


def read_path(cell: str, base: Path) -> Path:
    """The path, absolute, that `written_path` wrote."""
    return Path(os.path.abspath(base / cell))
