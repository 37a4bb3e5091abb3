"""The volume store, writing side: safe when many processes prepare images and when any of them is killed.

Volumes are written under temporary names by the processes that prepare them. The one process that leads waits until
each is safe on the disk, while the others go on, gives it its name and notes it in a journal (a line an image, so that
the cost of noting does not grow with the store). When all are there, it writes the manifest and removes the journal.
Whoever starts again reads both and prepares only what is missing or has changed.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.fingerprint import cohort_fingerprint
from medcl.imaging.prepare import Prepared
from medcl.imaging.recipe import Recipe
from medcl.imaging.store import FINGERPRINT, JOURNAL, MANIFEST, PAGE, RECIPE, manifest_text, read_manifest, read_recipe
from medcl.imaging.stored_volume import StoredVolume
from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import (
    TEMPORARY_PREFIX,
    Unsettled,
    read_json,
    remove_unsettled,
    write_json,
    write_text,
    write_unsettled,
)

_STALE_SECONDS = 600
_FOLDERS = ("volumes", "labels")


@dataclass(frozen=True)
class StoreWriter:
    """Leads the writing of one store.

    Attributes:
        path: the store's folder.
        recipe: of all its images.
        known: entries that were prepared before, by case.
        mark: tells the temporary files of this run from those of others.
    """

    path: Path
    recipe: Recipe
    known: dict[str, StoredVolume]
    mark: str = field(default_factory=lambda: secrets.token_hex(6))

    @classmethod
    def begin(cls, path: Path, recipe: Recipe, overwrite: bool = False) -> StoreWriter:
        """Start or continue the store in a folder.

        Raises:
            BadInput: the folder holds a store of another recipe (and not `overwrite`), or something else.
        """
        path = Path(path)
        check_folder(path, recipe, overwrite)
        if overwrite:
            for name in (MANIFEST, FINGERPRINT, JOURNAL, PAGE):
                (path / name).unlink(missing_ok=True)
        if overwrite or not (path / RECIPE).exists():
            write_json(path / RECIPE, recipe.to_json())
        _remove_stale(path)
        (path / JOURNAL).touch()  # from here on volumes may differ from the manifest
        known = {entry.case: entry for entry in [*_finished(path), *_journal(path)] if entry.recipe == recipe.key()}
        return cls(path, recipe, known)

    def add(self, entry: StoredVolume) -> None:
        """Note that an image's files are written.

        Raises:
            RunFailed: the journal cannot be written to.
        """
        try:
            with (self.path / JOURNAL).open("a", encoding="utf-8") as journal:
                journal.write("\n" + json.dumps(entry.to_row()) + "\n")  # the line before may be torn
        except OSError as error:
            raise RunFailed(
                f"{self.path / JOURNAL} could not be written ({error.strerror}): free space or make the folder "
                "writable and run again; what was prepared is kept."
            ) from error

    def finish(
        self, entries: Sequence[StoredVolume], left_out: Sequence[Mapping[str, Any]] = (), only: Sequence[str] = ()
    ) -> list[str]:
        """Write manifest and fingerprint and remove what no entry refers to.

        Args:
            entries: all images of the store, in the cohort's order.
            left_out: `case` and `problem` of images that could not be prepared.
            only: the conditions by which the images were chosen from the cohort, for the fingerprint.

        Returns:
            Names of the volumes that were removed because the cohort no longer has them, or they were not chosen.
        """
        # the journal stands until the end: whoever opens the store in between sees that it is unfinished
        write_json(self.path / FINGERPRINT, cohort_fingerprint(entries, self.recipe, left_out, only))
        write_text(self.path / MANIFEST, manifest_text(entries))
        removed = self._remove_others({e.file for e in entries} | {e.label_file for e in entries})
        (self.path / JOURNAL).unlink(missing_ok=True)
        return removed

    def sweep(self) -> None:
        """Remove volumes that were written but never settled; for the end of a run that failed."""
        for folder in _FOLDERS:
            remove_unsettled(self.path / folder, self.mark)

    def abandon(self) -> None:
        """Leave without finishing.

        Where nothing was prepared, an older manifest still holds and is readable again; and where there is none, the
        folder goes, so that it does not stand in the way of other options.
        """
        journal = self.path / JOURNAL
        if journal.read_bytes():
            return
        journal.unlink()
        if not (self.path / MANIFEST).exists():
            self._remove_others(set())
            (self.path / RECIPE).unlink(missing_ok=True)
            for folder in (*(self.path / name for name in _FOLDERS), self.path):
                with suppress(OSError):  # somebody else's files stay
                    folder.rmdir()

    def _remove_others(self, wanted: set[str]) -> list[str]:
        removed = []
        for folder in _FOLDERS:
            for file in sorted((self.path / folder).glob("*.npy")):
                if f"{folder}/{file.name}" not in wanted and not file.name.startswith(TEMPORARY_PREFIX):
                    file.unlink()
                    removed.append(f"{folder}/{file.name}")
        return removed


def write_files(path: Path, entry: StoredVolume, prepared: Prepared, mark: str) -> tuple[Unsettled, ...]:
    """Write an image's volume and labels, which `Unsettled.settle` then makes safe and visible.

    Args:
        path: the store's folder.
        entry: the image's line of the manifest.
        prepared: the image.
        mark: of the StoreWriter that settles.

    Raises:
        RunFailed: the disk is full or cannot be written to.
    """
    arrays = {entry.file: prepared.volume}
    if prepared.labels is not None:
        arrays = {entry.label_file: prepared.labels, **arrays}
    return tuple(_write(path / name, array, mark) for name, array in arrays.items())


def is_intact(path: Path, entry: StoredVolume) -> bool:
    """Whether an entry's files are there in full length."""
    kinds = {entry.file: "f"} | ({entry.label_file: "u"} if entry.label_file else {})
    for name, kind in kinds.items():
        try:
            stored = np.load(path / name, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return False
        if stored.shape != entry.shape or stored.dtype.kind != kind:
            return False
    return True


def check_folder(path: Path, recipe: Recipe, overwrite: bool) -> None:
    """Refuse a folder in which this recipe must not write.

    Raises:
        BadInput: as `StoreWriter.begin`.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path}: is a file where the volume store's folder should be; choose another --name.")
    if not (path / RECIPE).is_file():
        foreign = (
            sorted(f.name for f in path.iterdir() if not f.name.startswith(TEMPORARY_PREFIX)) if path.exists() else []
        )
        if foreign:
            raise BadInput(
                f"{path}: is not empty and no volume store (it holds {', '.join(foreign[:3])}); choose another --name."
            )
        return
    if overwrite:
        return
    read_recipe(path)  # tells of a newer format, whose options cannot be compared
    differences = recipe.differences(read_json(path / RECIPE))
    if differences:
        raise BadInput(
            f"{path} was made with other options ({'; '.join(differences)}). Use --overwrite to make it again with "
            "the options of now, or --name to make another store beside it."
        )


def _write(file: Path, array: NDArray[Any], mark: str) -> Unsettled:
    with write_unsettled(file, mark) as unsettled:
        np.save(unsettled.temporary, array)
    return unsettled


def _finished(path: Path) -> list[StoredVolume]:
    return read_manifest(path / MANIFEST) if (path / MANIFEST).is_file() else []


def _journal(path: Path) -> list[StoredVolume]:
    """Entries of an interrupted run; its last line may be torn, and that image is prepared again."""
    entries = []
    with suppress(FileNotFoundError):
        for line in (path / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                entries.append(StoredVolume.from_row(json.loads(line)))
    return entries


def _remove_stale(path: Path) -> None:
    """What killed processes left half-written; files of the last minutes may still be somebody's."""
    before = time.time() - _STALE_SECONDS
    for folder in (path, *(path / name for name in _FOLDERS)):
        for file in folder.glob(f"{TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if os.stat(file).st_mtime < before:
                    file.unlink()
