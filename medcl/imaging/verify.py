"""Compares the files of a volume store with its manifest, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcl.imaging.prepare import content_hash
from medcl.imaging.store import FINGERPRINT, VolumeStore
from medcl.imaging.stored_volume import StoredVolume
from medcl.study.errors import BadInput
from medcl.study.files import TEMPORARY_PREFIX, read_json

FOLDERS = ("volumes", "labels")


@dataclass(frozen=True)
class StoredFile:
    """A file that a manifest names.

    Attributes:
        file: where it lies.
        shape: (z, y, x).
        kind: "f" of volumes, "u" of label maps.
        content: hash of the array; "" where the manifest, of an earlier version, notes none.
    """

    file: Path
    shape: tuple[int, int, int]
    kind: str
    content: str


def files_of(path: Path, entries: Sequence[StoredVolume]) -> list[StoredFile]:
    """The files that a store in folder `path` should hold."""
    files = []
    for entry in entries:
        files.append(StoredFile(path / entry.file, entry.shape, "f", entry.volume_content))
        if entry.label_file:
            files.append(StoredFile(path / entry.label_file, entry.shape, "u", entry.label_content))
    return files


def fault_of_file(stored: StoredFile) -> str:
    """What is wrong with a file, in a sentence; "" when it is as it was written, as far as that is noted."""
    if not stored.file.is_file():
        return f"{stored.file}: is missing."
    try:
        array = np.load(stored.file, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        return f"{stored.file}: is damaged, it cannot be read ({error})."
    if array.shape != stored.shape or array.dtype.kind != stored.kind:
        return f"{stored.file}: is another file, {array.dtype} {array.shape} instead of shape {stored.shape}."
    if stored.file.stat().st_size != array.offset + array.nbytes:
        return f"{stored.file}: is damaged, bytes stand behind its voxels."
    if stored.content:
        same = content_hash(array) == stored.content
        return "" if same else f"{stored.file}: is damaged, its voxels are not those that were written."
    if stored.kind == "f" and not (array.min() >= 0 and array.max() <= 1):  # false of NaN too
        return f"{stored.file}: is damaged, it holds numbers outside of 0 to 1."
    return ""


def faults_of_store(store: VolumeStore) -> list[str]:
    """What is wrong with a store as a whole: files that no line names, and a manifest that was changed.

    Raises:
        BadInput: fingerprint.json cannot be read.
    """
    named = {name for entry in store.entries for name in (entry.file, entry.label_file)}
    there = {f"{folder}/{file.name}" for folder in FOLDERS for file in (store.path / folder).glob("*")}
    faults = []
    for name in sorted(there - named):
        rest = name.split("/")[1].startswith(TEMPORARY_PREFIX)
        what = "was left by a run that was killed" if rest else "is extra, no line of the manifest names it"
        faults.append(f"{store.path / name}: {what}.")
    told = read_json(store.path / FINGERPRINT)
    if not isinstance(told, dict) or "dataset" not in told:
        raise BadInput(f"{store.path / FINGERPRINT}: is no fingerprint of a volume store; restore it.")
    if told["dataset"] != store.fingerprint():
        faults.append(
            f"{store.path}: manifest.csv or recipe.json was changed after the store was made; {FINGERPRINT} notes "
            f"{told['dataset']}, they make {store.fingerprint()}."
        )
    return faults
