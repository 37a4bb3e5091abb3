"""Checkpoints: tensors and plain types, written whole, checked by content, the one before kept.

`last.pt` is the state to resume from, `previous.pt` the one before it, `best.pt` the weights with the lowest validation
loss; none of them ever replaces another. A checkpoint carries a SHA-256 of its content, since torch itself does not
notice a damaged byte. All load with `torch.load(..., weights_only=True)`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medcl.study.errors import BadInput
from medcl.study.files import TEMPORARY_PREFIX, write_whole

CHECKPOINT_FORMAT = 2
"""Raised when a checkpoint's content changes so that older versions cannot read it."""

FOLDER = "checkpoints"
LAST, PREVIOUS, BEST = "last.pt", "previous.pt", "best.pt"
_NEXT = "next.pt"


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read.

    Attributes:
        content: what was saved, tensors on the CPU.
        file: where it was read.
        notes: what the user must know, such as that a torn file was passed over.
    """

    content: dict[str, Any]
    file: Path
    notes: tuple[str, ...] = ()


def save_checkpoint(folder: Path, content: Mapping[str, Any]) -> Path:
    """Make `content` the last checkpoint of `folder` and keep the one before as previous.pt.

    The new file is complete on the disk before an older one is touched, so whatever interrupts this leaves a
    checkpoint that can be resumed.

    Raises:
        RunFailed: the disk is full; the older checkpoints are as they were.
    """
    last = folder / LAST
    _write(folder / _NEXT, content)
    if last.exists():
        os.replace(last, folder / PREVIOUS)
    os.replace(folder / _NEXT, last)
    return last


def save_best(folder: Path, content: Mapping[str, Any]) -> Path:
    """Make `content` best.pt of `folder`."""
    _write(folder / BEST, content)
    return folder / BEST


def has_checkpoint(folder: Path) -> bool:
    """Tell whether `folder` holds a state to resume from, whole or not."""
    return any((folder / name).exists() for name in (LAST, PREVIOUS))


def load_checkpoint(folder: Path) -> Loaded | None:
    """Read the newest whole checkpoint of `folder`; None when there is none at all.

    Raises:
        BadInput: there are checkpoints but none can be read, or one is of a newer format.
    """
    files = [file for file in (folder / LAST, folder / PREVIOUS) if file.exists()]
    problems: list[str] = []
    for file in files:
        try:
            return Loaded(read_checkpoint(file), file, tuple(problems))
        except _TornError as error:
            problems.append(f"{error} The checkpoint before it is used instead.")
    if not files:
        return None
    raise BadInput(
        [
            f"No checkpoint in {folder} can be read: {', '.join(file.name for file in files)} are torn or damaged.",
            "Start the run anew with --overwrite.",
        ]
    )


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read one checkpoint, tensors on the CPU.

    Raises:
        BadInput: there is no such file, it is torn or damaged, or of a newer format.
    """
    if not file.exists():
        raise BadInput(f"{file}: no such checkpoint.")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises six kinds of errors on a damaged file
        raise _TornError(f"{file} is torn or damaged.") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise _TornError(f"{file} is no checkpoint of medcl.")
    if content["format"] > CHECKPOINT_FORMAT:
        raise BadInput(
            f"{file} has the format {content['format']}; this medcl reads up to {CHECKPOINT_FORMAT}. Update medcl."
        )
    if content["format"] < CHECKPOINT_FORMAT:
        raise BadInput(
            f"{file} was made by an earlier medcl (format {content['format']}, this one reads {CHECKPOINT_FORMAT}). "
            "Go on with that version, or take the run's exported weights with --init-from."
        )
    checksum = content.pop("checksum", None)
    if checksum != content_checksum(content):
        raise _TornError(f"{file} is damaged (its content does not fit its checksum).")
    return content


def remove_unfinished(folder: Path) -> None:
    """Delete what a killed process left half-written in `folder`."""
    for file in [*folder.glob(f"{TEMPORARY_PREFIX}*"), *folder.glob(_NEXT)]:
        file.unlink(missing_ok=True)


def content_checksum(content: Any) -> str:
    """Return the SHA-256 of nested dicts, lists and tuples of tensors and plain types."""
    digest = hashlib.sha256()
    _feed(digest, content)
    return digest.hexdigest()


def content_bytes(content: Any) -> int:
    """Return how many bytes the tensors of a checkpoint's content take."""
    if isinstance(content, Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, Mapping):
        return sum(content_bytes(value) for value in content.values())
    return sum(content_bytes(value) for value in content) if isinstance(content, (list, tuple)) else 0


class _TornError(BadInput):
    """A file that is no whole checkpoint."""


def _write(path: Path, content: Mapping[str, Any]) -> None:
    whole = {"format": CHECKPOINT_FORMAT, **content}
    whole["checksum"] = content_checksum(whole)
    # torch writes through an open file, because its own writer hides a full disk behind another error
    with write_whole(path) as temporary, temporary.open("wb") as file:
        torch.save(whole, file)


def _feed(digest: Any, item: Any) -> None:
    if isinstance(item, Tensor):
        digest.update(f"tensor {item.dtype} {tuple(item.shape)}".encode())
        digest.update(item.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(item, Mapping):
        digest.update(f"dict {len(item)}".encode())
        for key, value in item.items():
            _feed(digest, key)
            _feed(digest, value)
    elif isinstance(item, (list, tuple)):
        digest.update(f"list {len(item)}".encode())
        for value in item:
            _feed(digest, value)
    elif item is None or isinstance(item, (bool, int, float, str)):
        digest.update(f"{type(item).__name__} {item!r};".encode())
    else:
        raise TypeError(f"a checkpoint holds tensors and plain types, not {type(item).__name__}")
