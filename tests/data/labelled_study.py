"""A study in memory whose image and label map tell where each voxel lies: training, validation and test patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medcl.data.samples import Samples

CLASSES = tuple(range(101, 165))
"""Label values; the class index of the voxel at x is x + 1, as is its intensity."""


@dataclass(frozen=True)
class Entry:
    """An image of the store."""

    case: str
    patient: str
    exam: str
    label_file: str
    shape: tuple[int, int, int]
    sequence: str = ""
    spacing: tuple[float, float, float] = (4.0, 1.0, 1.5)


@dataclass
class Store:
    """Ramps along x, and masks that number the voxels along x; `reads` are the cases whose masks were read."""

    entries: list[Entry]
    empty_slices: bool
    reads: list[str] = field(default_factory=list)

    def read(self, entry: Entry, out: np.ndarray | None = None, slice: int | None = None) -> np.ndarray:
        """Return 1, 2, ... along x."""
        shape = entry.shape if slice is None else (1, *entry.shape[1:])
        out = np.empty(shape, np.float32) if out is None else out
        out[...] = np.arange(1, shape[2] + 1)
        return out

    def labels(self, entry: Entry, slice: int | None = None) -> np.ndarray | None:
        """Return 101, 102, ... along x; in a study with empty slices, nothing in the first two of an image."""
        self.reads.append(entry.case)
        values = np.empty(entry.shape, np.uint8)
        values[...] = np.arange(101, 101 + entry.shape[2])
        if self.empty_slices:
            values[:2] = 0
        return values if slice is None else values[slice : slice + 1]


def labelled_study(
    train: int = 8,
    val: int = 2,
    test: int = 2,
    *,
    masked: Sequence[str] | None = None,
    size: tuple[int, int, int] = (4, 12, 16),
    slices: bool = False,
    exams: Sequence[str] = ("ED", "ES"),
    empty_slices: bool = False,
) -> Samples:
    """Return the samples; `masked` are the cases with a mask (all, unless told)."""
    patients = [f"P{n:02d}" for n in range(train + val + test)]
    parts = dict(zip(patients, ["train"] * train + ["val"] * val + ["test"] * test, strict=True))
    entries = []
    for patient in patients:
        for exam in exams:
            case = f"{patient}_{exam}"
            has_mask = masked is None or case in masked
            entries.append(Entry(case, patient, exam, f"labels/{case}.npy" if has_mask else "", size))
    store = Store(entries, empty_slices)
    rows: list[Any] = [entry for entry in entries for _ in range(size[0])] if slices else entries
    return Samples(
        store=store,
        entries=rows,
        cases=np.array([e.case for e in rows]),
        patients=np.array([e.patient for e in rows]),
        exams=np.array([e.exam for e in rows]),
        sequences=np.array([e.sequence for e in rows]),
        splits=np.array([parts[e.patient] for e in rows]),
        values=None,
        classes=None,
        variable="",
        label="",
        size=(1, *size[1:]) if slices else size,
        slices=np.tile(np.arange(size[0]), len(entries)) if slices else None,
    )
