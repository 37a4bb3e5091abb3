"""The folder that a command writes images into: whose files may go, and what a call that was stopped has left.

Before the first image a list of the files that the call may write is laid into the folder; it goes when the card is
there. Whatever stops a call, the next one therefore knows its files from everybody else's.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcl.study.errors import BadInput
from medcl.study.files import TEMPORARY_PREFIX, read_json, write_json

if TYPE_CHECKING:
    from medcl.imaging.worker import Job

UNFINISHED = "unfinished.json"
"""Names of the files that a call may have written, and its process; there until the call's card is."""

log = logging.getLogger("medcl")


@dataclass(frozen=True)
class OutputFolder:
    """A folder of what one command makes of images.

    Attributes:
        folder: the folder.
        what: is in it, for messages: "masks".
        command: that writes it.
        card: name of the file that is written last.
        table: name of the table of all images.
        void: names of further files that are void once the images are others.
        written: names of the images' files of a finished call.
    """

    folder: Path
    what: str
    command: str
    card: str
    table: str
    void: tuple[str, ...]
    written: Callable[[Path], set[str]]

    def make_room(self, targets: Iterable[Path], overwrite: bool) -> None:
        """Make the folder, remove what an earlier call wrote, and nothing else, and note what this one will write.

        Args:
            targets: files in it that this call may write.
            overwrite: what an earlier call wrote may go.

        Raises:
            BadInput: the folder is in use.
        """
        folder = self.folder
        if folder.exists() and not folder.is_dir():
            raise BadInput(f"{folder} is a file, and the {self.what} need a folder: give another with --name or --out.")
        there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
        left = self._left()
        if there and not overwrite:
            self._refuse(there, left)
        own = set(left.get("files", []))
        if (folder / self.card).is_file():
            own |= self.written(folder)
        elif own & there:
            log.info(f"{folder} holds {self.what} of a call that did not end: they are replaced.")
        new = {target.name for target in targets}
        # a file of the user's that this call replaces is not listed: the next call must not take it for its own
        listed = sorted(own | (new - there))
        write_json(folder / UNFINISHED, {"files": listed, "process": os.getpid(), "machine": platform.node()})
        (folder / self.card).unlink(missing_ok=True)  # what is left is then no whole folder any more
        temporary = {name for name in there if name.startswith(TEMPORARY_PREFIX)}
        for name in (*own, *temporary, self.table, *self.void):  # results of other images would mislead
            (folder / name).unlink(missing_ok=True)

    def call_ended(self) -> None:
        """Take the list away: the card is there, or no image is."""
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def refuse_inputs(self, jobs: Iterable[Job], others: Iterable[Path], targets: Iterable[Path]) -> None:
        """Never write over a file that is read, --overwrite or not.

        Args:
            jobs: the images.
            others: files of the study that must stay, as its masks.
            targets: files that may be written.

        Raises:
            BadInput: naming every file that would be lost.
        """
        kept = {path.resolve() for path in [*(job.source.image for job in jobs), *others]}
        lost = [str(path) for path in targets if path.resolve() in kept]
        if lost:
            raise BadInput(
                f"The {self.what} would be written over files that are read ({', '.join(lost[:5])}): give another "
                "folder with --out."
            )

    def _left(self) -> dict[str, Any]:
        """What a call that did not end has noted; {} where there is none."""
        file = self.folder / UNFINISHED
        if not file.is_file():
            return {}
        found = read_json(file)
        files = found.get("files") if isinstance(found, dict) else None
        if not isinstance(files, list) or any(Path(str(name)).name != name for name in files):
            raise BadInput(f"{file}: is no list of medcl's: delete it, or give another folder.")
        return dict(found)

    def _refuse(self, there: set[str], left: dict[str, Any]) -> None:
        """Files that nobody allowed to replace: of a finished call, of another program, or of a call that runs."""
        own = {*left.get("files", []), self.table, UNFINISHED}
        strange = {name for name in there if name not in own and not name.startswith(TEMPORARY_PREFIX)}
        if not left or strange:
            raise BadInput(
                f"{self.folder} is not empty. Replace its {self.what} with --overwrite, or give another with --name or "
                "--out."
            )
        if _may_run(left):
            raise BadInput(
                f"{self.folder}: a call of `{self.command}` that may still run writes here (process "
                f"{left.get('process')} on {left.get('machine')}). Wait for it, give another folder with --name or "
                f"--out, or, where it was stopped, replace its {self.what} with --overwrite."
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
