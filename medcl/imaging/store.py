"""The volume store, reading side: `preprocessed/NAME/`.

    manifest.csv        one line an image (StoredVolume)
    recipe.json         what was done to the images
    fingerprint.json    the cohort in numbers
    volumes/CASE.npy    float16 in [0, 1], (z, y, x); of slices z differs between images
    labels/CASE.npy     uint8 or uint16, for images with a mask
    quality.html        a page for people (medcl.workflows.quality)

One file an image: adding an exam adds a file, and reading maps it into memory, so that memory stays flat however many
there are.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.buffer import buffer_for
from medcl.imaging.half import from_half
from medcl.imaging.recipe import RECIPE_FORMAT, Recipe
from medcl.imaging.stored_volume import COLUMNS, StoredVolume
from medcl.study.errors import BadInput
from medcl.study.files import read_json

MANIFEST = "manifest.csv"
RECIPE = "recipe.json"
FINGERPRINT = "fingerprint.json"
PAGE = "quality.html"
JOURNAL = "unfinished.jsonl"
"""Images prepared since the manifest was written; there only while `medcl preprocess` runs or after it was stopped."""


@dataclass(frozen=True)
class VolumeStore:
    """A finished volume store.

    Attributes:
        path: its folder.
        entries: one an image, in the order of the cohort.
        recipe: what was done to the images.
    """

    path: Path
    entries: list[StoredVolume]
    recipe: Recipe

    @classmethod
    def open(cls, path: Path) -> VolumeStore:
        """Open the store in a folder.

        Raises:
            BadInput: there is none, it is unfinished, damaged, or was written by another format of medcl.
        """
        path = Path(path)
        again = f"`medcl preprocess --name {path.name}`"
        if not path.is_dir():
            raise BadInput(f"{path}: there are no preprocessed volumes; {again} makes them.")
        if (path / JOURNAL).exists():
            raise BadInput(f"{path}: preprocessing is still running or was stopped; {again} continues it.")
        if not (path / MANIFEST).is_file():
            raise BadInput(f"{path}: is no finished volume store (no {MANIFEST}); {again} makes one.")
        recipe = read_recipe(path)
        return cls(path, read_manifest(path / MANIFEST), recipe)

    @property
    def sliced(self) -> bool:
        """Whether every slice is an image of its own (`medcl preprocess --slices`)."""
        return self.recipe.slices is not None

    def fingerprint(self) -> str:
        """Hash of all images, where they lie, their labels and the recipe; changes when any of them does."""
        return dataset_hash(self.entries, self.recipe)

    def only(self, cases: Collection[str]) -> VolumeStore:
        """The same store with the images of these cases alone."""
        return replace(self, entries=[entry for entry in self.entries if entry.case in cases])

    def read(
        self, entry: StoredVolume, out: NDArray[np.float32] | None = None, slice: int | None = None
    ) -> NDArray[np.float32]:
        """Voxels of an image as float32 (Z, Y, X) in [0, 1], or of one of its slices as (1, Y, X).

        Args:
            entry: one of `entries`.
            out: C-contiguous float32 array of that shape to fill, used again and again by a caller that wants memory
                flat; None makes a new one.
            slice: its number along z, from 0; the others are not read from the disk. None reads all.

        Raises:
            BadInput: the file is missing or damaged, or `out` has another shape.
            IndexError: there is no such slice.
        """
        stored = self._mapped(entry.file, entry.shape)
        if slice is not None:
            stored = stored[_one(slice, entry)]
        if stored.dtype != np.float16:
            raise BadInput(self._damaged(entry.file, f"{stored.dtype} instead of float16"))
        out = buffer_for(entry.case, stored.shape, out)
        return from_half(stored, out)

    def labels(self, entry: StoredVolume, slice: int | None = None) -> NDArray[Any] | None:
        """Labels of an image, (Z, Y, X) uint8 or uint16 mapped from the file; None where it has no mask.

        Args:
            entry: one of `entries`.
            slice: number of the one slice (1, Y, X) that is wanted; None is all.

        Raises:
            BadInput: the file is missing or damaged.
            IndexError: there is no such slice.
        """
        if not entry.label_file:
            return None
        stored = self._mapped(entry.label_file, entry.shape)
        return stored if slice is None else stored[_one(slice, entry)]

    def _mapped(self, name: str, shape: tuple[int, int, int]) -> NDArray[Any]:
        try:
            stored: NDArray[Any] = np.load(self.path / name, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise BadInput(self._damaged(name, str(error))) from None
        if stored.shape != shape:
            raise BadInput(self._damaged(name, f"shape {stored.shape} instead of {shape}"))
        return stored

    def _damaged(self, name: str, why: str) -> str:
        return (
            f"{self.path / name}: is missing or damaged ({why}); "
            f"`medcl preprocess --name {self.path.name}` prepares it again."
        )


def _one(number: int, entry: StoredVolume) -> slice:
    if not 0 <= number < entry.shape[0]:
        raise IndexError(f"{entry.case} has slices 0 to {entry.shape[0] - 1}, not {number}")
    return slice(number, number + 1)


def read_recipe(path: Path) -> Recipe:
    """The recipe of the store in folder `path`.

    Raises:
        BadInput: recipe.json is missing, torn, or of another format than this medcl writes.
    """
    stored = read_json(path / RECIPE)
    number = stored.get("format") if isinstance(stored, dict) else None
    if number != RECIPE_FORMAT:
        newer = isinstance(number, int) and number > RECIPE_FORMAT
        help = f"run `medcl preprocess --name {path.name} --overwrite`"
        if newer:
            help = "update medcl, or work with a store of another --name"
        raise BadInput(f"{path / RECIPE}: has format {number}, this medcl reads {RECIPE_FORMAT}: {help}.")
    try:
        return Recipe.from_json(stored)
    except (KeyError, TypeError) as error:
        raise BadInput(f"{path / RECIPE}: is no recipe of medcl ({error}); restore it or delete {path}.") from None


def read_manifest(file: Path) -> list[StoredVolume]:
    """The entries of a manifest.

    Raises:
        BadInput: it cannot be read; names the line.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: cannot be read ({error}).") from error
    entries = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2):
        try:
            entries.append(StoredVolume.from_row(row))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise BadInput(
                f"{file}: line {number} is no entry of a volume store ({error}); the file was changed: restore it, "
                f"or run `medcl preprocess --name {file.parent.name} --overwrite`."
            ) from None
    return entries


def manifest_text(entries: Iterable[StoredVolume]) -> str:
    """The manifest as CSV."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(entry.to_row() for entry in entries)
    return text.getvalue()


def image_line(entry: StoredVolume) -> str:
    """What makes an image another one, in a line: its name, its voxels, its labels and where they lie."""
    return "\t".join((entry.case, entry.content, entry.label_content, " ".join(f"{n:.6g}" for n in entry.affine)))


def dataset_hash(entries: Iterable[StoredVolume], recipe: Recipe) -> str:
    """One hash for a set of prepared images, whatever their order."""
    lines = sorted(map(image_line, entries))
    return hashlib.sha256("\n".join([recipe.key(), *lines]).encode()).hexdigest()[:32]
