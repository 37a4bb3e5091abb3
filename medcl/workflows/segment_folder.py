"""The folder that `medcl segment apply` writes into: whose files may go, and what a call that was stopped has left.

Before the first mask a list of the files that the call may write is laid into the folder; it goes when the card is
there. Whatever stops a call, the next one therefore knows its files from everybody else's.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medcl.study.errors import BadInput
from medcl.study.files import TEMPORARY_PREFIX, read_json, write_json
from medcl.study.segmentations import CARD, METRICS_FILE, PAGE_FILE, SUMMARY_FILE, TABLE, read_segmentations

UNFINISHED = "unfinished.json"
"""Names of the files that a call may have written, and its process; there until the call's card is."""

log = logging.getLogger("medcl")


def make_room(folder: Path, targets: Iterable[Path], overwrite: bool) -> None:
    """Make the folder, remove what an earlier call wrote, and nothing else, and note what this one will write.

    Args:
        folder: of the masks.
        targets: files in it that this call may write.
        overwrite: masks of an earlier call may go.

    Raises:
        BadInput: the folder is in use.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file, and the masks need a folder: give another with --name or --out.")
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    left = _left(folder)
    if there and not overwrite:
        _refuse(folder, there, left)
    own = set(left.get("files", []))
    if (folder / CARD).is_file():
        rows = [row for row in read_segmentations(folder)[0] if row.prediction.parent == folder]
        own |= {name for row in rows for name in (row.prediction.name, f"{row.case}.dcm")}
    elif own & there:
        log.info(f"{folder} holds masks of a call that did not end: they are replaced.")
    new = {target.name for target in targets}
    # a file of the user's that this call replaces is not listed: the next call must not take it for its own
    listed = sorted(own | (new - there))
    write_json(folder / UNFINISHED, {"files": listed, "process": os.getpid(), "machine": platform.node()})
    (folder / CARD).unlink(missing_ok=True)  # what is left is then no whole folder any more
    temporary = {name for name in there if name.startswith(TEMPORARY_PREFIX)}
    for name in (
        *own,
        *temporary,
        TABLE,
        METRICS_FILE,
        SUMMARY_FILE,
        PAGE_FILE,
    ):  # results of other masks would mislead
        (folder / name).unlink(missing_ok=True)


def call_ended(folder: Path) -> None:
    """Take the list away: the card is there, or no mask is."""
    (folder / UNFINISHED).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _left(folder: Path) -> dict[str, Any]:
    """What a call that did not end has noted; {} where there is none."""
    if not (folder / UNFINISHED).is_file():
        return {}
    found = read_json(folder / UNFINISHED)
    files = found.get("files") if isinstance(found, dict) else None
    if not isinstance(files, list) or any(Path(str(name)).name != name for name in files):
        raise BadInput(f"{folder / UNFINISHED}: is no list of medcl's: delete it, or give another folder.")
    return dict(found)


def _refuse(folder: Path, there: set[str], left: dict[str, Any]) -> None:
    """Files that nobody allowed to replace: of a finished call, of another program, or of a call that still runs."""
    own = {*left.get("files", []), TABLE, UNFINISHED}
    strange = {name for name in there if name not in own and not name.startswith(TEMPORARY_PREFIX)}
    if not left or strange:
        raise BadInput(
            f"{folder} is not empty. Replace its masks with --overwrite, or give another with --name or --out."
        )
    if _may_run(left):
        raise BadInput(
            f"{folder}: a call of `medcl segment apply` that may still run writes here (process {left.get('process')} "
            f"on {left.get('machine')}). Wait for it, give another folder with --name or --out, or, where it was "
            "stopped, replace its masks with --overwrite."
        )


def _may_run(left: dict[str, Any]) -> bool:
    """Whether the process that noted this may still be there; of another machine nobody can tell."""
    if left.get("machine") != platform.node() or not isinstance(left.get("process"), int) or os.name == "nt":
        return True
    if left["process"] == os.getpid():
        return False
    try:
        os.kill(left["process"], 0)  # asks, and sends nothing
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
