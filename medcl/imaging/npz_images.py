"""A MedMNIST-style npz as a source of images beside the volume store: what training and embedding ask of a store.

Each image counts as a patient of its own, since the file does not say whose it is. The arrays stay in memory in the
type that they have in the file; an image becomes float32 in [0, 1] when it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.buffer import buffer_for
from medcl.imaging.npz_arrays import NpzArrays, full_scale, read_npz
from medcl.study.errors import BadInput
from medcl.study.plural import counted

DIGITS = 5
"""Digits of the numbers in cases at least; more where there are more images, so that cases sort by number."""

_KEY = "npz images 1"
"""Part of the fingerprint: to be changed when what `read` makes of a file does."""


@dataclass(frozen=True, slots=True)
class NpzImage:
    """One image of an npz, with what an entry of a volume store tells (`StoredVolume`).

    Attributes:
        case: unique name, "train-00012": its part of the split and its number there, from 0.
        part: train, val or test.
        number: its place in the part's array.
        shape: voxels along z, y, x; (1, y, x) of plane images.
        content: hash of the voxels: equal for copies.
    """

    case: str
    part: str
    number: int
    shape: tuple[int, int, int]
    content: str

    exam: ClassVar[str] = ""
    sequence: ClassVar[str] = ""
    modality: ClassVar[str] = ""
    site: ClassVar[str] = ""
    label_file: ClassVar[str] = ""
    label_content: ClassVar[str] = ""
    spacing: ClassVar[tuple[float, float, float]] = (1.0, 1.0, 1.0)
    affine: ClassVar[tuple[float, ...]] = tuple(np.eye(4).ravel().tolist())

    @property
    def patient(self) -> str:
        """The case: whose image it is the file does not say."""
        return self.case


@dataclass(frozen=True, eq=False)
class NpzImages:
    """The images of an npz.

    Attributes:
        path: the file.
        entries: one an image: training, validation, test, each in the order of the file.
        arrays: by part, (N, D, H, W) as stored.
        label_numbers: by part, (N,) numbers of classes; parts without labels are missing.
        notes: what is used of the file and what is odd about it, one sentence each.
    """

    path: Path
    entries: list[NpzImage]
    arrays: Mapping[str, NDArray[Any]]
    label_numbers: Mapping[str, NDArray[np.int64]]
    notes: tuple[str, ...] = ()
    sliced: ClassVar[bool] = False
    """Volumes are images, never their slices."""

    @property
    def sides(self) -> dict[str, str]:
        """The part (train, val, test) of each patient in the file's own split."""
        return {entry.patient: entry.part for entry in self.entries}

    def fingerprint(self) -> str:
        """Hash of all images and their names, not of their labels; changes when any of them does."""
        lines = sorted(f"{entry.case}\t{entry.content}" for entry in self.entries)
        return hashlib.sha256("\n".join([_KEY, *lines]).encode()).hexdigest()[:32]

    def only(self, cases: Collection[str]) -> NpzImages:
        """The same file with the images of these cases alone."""
        return replace(self, entries=[entry for entry in self.entries if entry.case in cases])

    def read(
        self, entry: NpzImage, out: NDArray[np.float32] | None = None, slice: int | None = None
    ) -> NDArray[np.float32]:
        """Voxels of an image as float32 (Z, Y, X) in [0, 1], or of one of its slices as (1, Y, X).

        Args:
            entry: one of `entries`.
            out: C-contiguous float32 array of that shape to fill; None makes a new one.
            slice: its number along z, from 0; None reads all.

        Raises:
            BadInput: `out` has another shape.
            IndexError: there is no such slice.
        """
        stored = self.arrays[entry.part][entry.number]
        if slice is not None:
            if not 0 <= slice < len(stored):
                raise IndexError(f"{entry.case} has slices 0 to {len(stored) - 1}, not {slice}")
            stored = stored[slice : slice + 1]
        out = buffer_for(entry.case, stored.shape, out)
        return as_intensities(stored, out)

    def labels(self, entry: NpzImage, slice: int | None = None) -> NDArray[Any] | None:
        """Label map of an image: None, since such files have none."""
        return None


def open_npz(file: Path) -> NpzImages:
    """Open a MedMNIST-style npz.

    uint8 is divided by 255, uint16 by 65,535; floats must lie in [0, 1]; other integers have no known range and are
    refused.

    Raises:
        BadInput: as `read_npz`; fewer than two training images, or all of them constant or all the same, from which
            nothing can be learnt.
    """
    file = Path(file)
    found = read_npz(file)
    entries = _entries(found)
    notes = [*found.notes, *_refuse_nothing_to_learn(file, found.images["train"], entries)]
    return NpzImages(file, entries, found.images, found.labels, tuple(notes))


def as_intensities(stored: NDArray[Any], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill `out` with stored numbers on the scale from 0 to 1, and return it."""
    scale = full_scale(stored.dtype)
    if scale == 1:
        np.copyto(out, stored, casting="same_kind")
    else:
        np.divide(stored, np.float32(scale), out=out)
    return out


def _entries(found: NpzArrays) -> list[NpzImage]:
    mixed = len({array.dtype for array in found.images.values()}) > 1
    entries: list[NpzImage] = []
    for part, array in found.images.items():
        shape = (array.shape[1], array.shape[2], array.shape[3])
        digits = max(DIGITS, len(str(len(array) - 1)))
        contents = _hashes(array, as_read=mixed)
        entries += [
            NpzImage(f"{part}-{number:0{digits}d}", part, number, shape, content)
            for number, content in enumerate(contents)
        ]
    return entries


def _hashes(array: NDArray[Any], *, as_read: bool) -> list[str]:
    """A hash of each image: of the numbers as stored, or as read where the parts are of different types."""
    buffer = np.empty(array.shape[1:], np.float32)
    dtype = buffer.dtype if as_read else array.dtype
    begun = hashlib.sha256(repr((array.shape[1:], dtype.str)).encode())
    hashes = []
    for image in array:
        digest = begun.copy()
        digest.update((as_intensities(image, buffer) if as_read else image).data)
        hashes.append(digest.hexdigest()[:32])
    return hashes


def _refuse_nothing_to_learn(file: Path, training: NDArray[Any], entries: list[NpzImage]) -> list[str]:
    """Refuse training images that a contrastive method collapses on; note those that are constant, if only some are."""
    where = f"{file}: train_images"
    if len(training) < 2:
        raise BadInput(f"{where} holds a single image: contrastive training needs two or more.")
    flat = training.reshape(len(training), -1)
    constant = np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))
    if len(constant) == len(training):
        raise BadInput(
            f"{where}: all {len(training):,} images are constant, every voxel of an image has one value: was an empty "
            "array saved?"
        )
    if len({entry.content for entry in entries if entry.part == "train"}) == 1:
        raise BadInput(f"{where}: all {len(training):,} images are the same one: there is nothing to tell apart.")
    if not len(constant):
        return []
    names = ", ".join(entries[number].case for number in constant[:3])
    return [f"{counted(len(constant), 'training image')} of one value in all voxels, such as {names}"]
