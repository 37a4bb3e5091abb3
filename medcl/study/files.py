"""Files are written whole or not at all: a temporary file in the same folder, fsync, rename, fsync of folder.

A reader (another process, a resumed run, a person) therefore never meets a half-written file, whatever
kills the writer. A full disk is told in one sentence and leaves nothing behind.
"""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput, RunFailed

TEMPORARY_PREFIX = ".unfinished-"
"""Start of the names of files being written; what a killed process leaves can be told by it and deleted."""

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_NEARLY_FULL_BYTES = 1 << 20


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); when the block ends well, it becomes `path`.

    Parent folders are made. When the block or the disk fails, the temporary file is removed and an older
    `path` stays as it was.

    Raises:
        RunFailed: the disk (or quota) is full, or the folder cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}-{path.name}")
    with _all_or_nothing(temporary, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _settle(temporary, path)


@dataclass(frozen=True)
class Unsettled:
    """A file that is complete under a temporary name, but neither safe on the disk nor there under its own name.

    Waiting for the disk is most of the time of writing a file: whoever has more to write hands this on to another
    thread or process that waits.

    Attributes:
        temporary: where it lies now.
        path: what it becomes.
    """

    temporary: Path
    path: Path

    def settle(self) -> None:
        """Do the rest of `write_whole`.

        Raises:
            RunFailed: as `write_whole`; the temporary file is removed.
        """
        with _all_or_nothing(self.temporary, self.path):
            _settle(self.temporary, self.path)


@contextmanager
def write_unsettled(path: Path, mark: str) -> Iterator[Unsettled]:
    """As `write_whole`, but what the block has written under `.temporary` stays there until somebody calls `settle`.

    Args:
        path: the file to write.
        mark: of the one who settles, in the temporary file's name, so that `remove_unsettled` finds what was left.
    """
    path = Path(path)
    unsettled = Unsettled(path.with_name(f"{TEMPORARY_PREFIX}{mark}-{path.name}"), path)
    with _all_or_nothing(unsettled.temporary, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unsettled


def remove_unsettled(folder: Path, mark: str) -> None:
    """Remove from a folder what was written under this mark and never settled."""
    for file in folder.glob(f"{TEMPORARY_PREFIX}{mark}-*"):
        with suppress(OSError):
            file.unlink()


@contextmanager
def _all_or_nothing(temporary: Path, path: Path) -> Iterator[None]:
    """When the block fails, remove the temporary file of `path` and say why in a sentence."""
    try:
        yield
    except BaseException as error:
        message = _explain(error, path)  # before the unfinished file is removed: it may be what fills the disk
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if message:
            raise RunFailed(message) from error
        raise


def _settle(temporary: Path, path: Path) -> None:
    _sync(temporary)
    os.replace(temporary, path)
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all.

    Paths become strings, NumPy scalars and arrays plain numbers and lists, sets sorted lists; numbers that
    are not finite become null, which every JSON reader understands.
    """
    write_text(path, json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        BadInput: the file is missing, unreadable, or no whole JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file.") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise BadInput(f"{path}: is no whole JSON file ({error}); restore it or delete it.") from error


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable; Windows cannot open a folder and has no need of it."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems refuse fsync on folders: the file itself is already safe
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _explain(error: BaseException, path: Path) -> str | None:
    if not isinstance(error, Exception):
        return None
    if _is_disk_full(error, path.parent):
        return (
            f"The disk is full: {path} could not be written (nothing half-written was left). "
            f"Free space on the disk of {path.parent}, or move the study to another disk, and run again."
        )
    if isinstance(error, OSError) and error.errno in _FORBIDDEN:
        return (
            f"{path} could not be written ({error.strerror}). "
            f"Make {path.parent} writable, or use a study folder that is yours, and run again."
        )
    return None


def _is_disk_full(error: Exception, folder: Path) -> bool:
    """Tell a full disk also where a library hides it.

    safetensors and nibabel leave it in the text or in the chain of exceptions; NumPy raises an OSError without
    errno and torch a RuntimeError about a position in its file: then only the disk itself can tell.
    """
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, OSError) and link.errno in _FULL:
            return True
        if "No space left on device" in str(link):
            return True
        link = link.__cause__ or link.__context__
    if not isinstance(error, (OSError, RuntimeError)) or getattr(error, "errno", None) is not None:
        return False
    try:
        return shutil.disk_usage(folder).free < _NEARLY_FULL_BYTES
    except OSError:
        return False


def _plain(content: Any) -> Any:
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, (set, frozenset)):
        return sorted(_plain(value) for value in content)
    if isinstance(content, (list, tuple)):
        return [_plain(value) for value in content]
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if content is None or isinstance(content, (str, int)):
        return content
    if isinstance(content, os.PathLike):
        return os.fspath(content)
    if hasattr(content, "tolist"):
        return _plain(content.tolist())
    raise TypeError(f"{type(content).__name__} has no JSON form")
