"""Stores of slices in memory for two domains: a slice's mean tells its domain, image and number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medcl.data.samples import Samples, build_samples

CLASSES = (3, 7)
"""Label values: the left half of a plane holds the first, the right half the second."""

TARGET_OFFSET = 100.0
"""What slices of the target lie above those of the source."""

PLANE = (4, 6)


@dataclass(frozen=True)
class Slab:
    """An image of a store."""

    case: str
    patient: str
    exam: str
    shape: tuple[int, int, int]
    label_file: str
    content: str
    modality: str
    sequence: str = ""
    spacing: tuple[float, float, float] = (4.0, 1.0, 1.5)


@dataclass
class SlabStore:
    """Stripes around `slice_mean`; `reads` and `label_reads` are the (case, slice) that were read."""

    entries: list[Slab]
    offset: float
    empty: Sequence[int]
    sliced: bool = True
    reads: list[tuple[str, int]] = field(default_factory=list)
    label_reads: list[tuple[str, int]] = field(default_factory=list)

    def slice_mean(self, case: str, slice: int) -> float:
        """The mean of a slice's intensities."""
        return self.offset + [entry.case for entry in self.entries].index(case) + slice / 64

    def read(self, entry: Slab, out: np.ndarray | None = None, slice: int | None = None) -> np.ndarray:
        """Fill one slice: stripes of height 0.25 along x; even in an empty slice."""
        assert slice is not None, "a whole image was read"
        self.reads.append((entry.case, slice))
        out = np.empty((1, *entry.shape[1:]), np.float32) if out is None else out
        stripes = 0.0 if slice in self.empty else 0.25 * (-1.0) ** np.arange(entry.shape[2])
        out[...] = self.slice_mean(entry.case, slice) + stripes
        return out

    def labels(self, entry: Slab, slice: int | None = None) -> np.ndarray | None:
        """Both classes side by side; background alone in an empty slice."""
        assert slice is not None, "a whole mask was read"
        self.label_reads.append((entry.case, slice))
        x = np.arange(entry.shape[2])
        halves = np.where(x < entry.shape[2] / 2, *CLASSES).astype(np.uint8)
        return np.broadcast_to(0 * halves if slice in self.empty else halves, (1, *entry.shape[1:]))


def domain(
    kind: str,
    patients: Mapping[str, str] | int,
    *,
    slices: int = 4,
    masked: bool | Sequence[str] = True,
    empty: Sequence[int] = (),
    plane: tuple[int, int] = PLANE,
    case: str = "{patient}_{kind}",
    content: str = "{kind} {patient}",
) -> Samples:
    """Return the slices of one image a patient.

    Args:
        kind: "ct" or "mr", which lies higher.
        patients: and their sides of the split; or so many training patients.
        slices: of each image.
        masked: whether there are masks, or the patients who have one.
        empty: numbers of the slices of every image on which nothing is seen.
        plane: (y, x).
        case: how images are called.
        content: what their voxels' hash is.
    """
    sides: Any = patients
    if isinstance(patients, int):
        sides = {f"{kind.upper()}{number}": "train" for number in range(patients)}
    entries = []
    for patient in sides:
        words = {"patient": patient, "kind": kind}
        has_mask = masked if isinstance(masked, bool) else patient in masked
        name = case.format(**words)
        label_file = f"labels/{name}.npy" if has_mask else ""
        entries.append(Slab(name, patient, "", (slices, *plane), label_file, content.format(**words), kind))
    store = SlabStore(entries, TARGET_OFFSET if kind == "mr" else 0.0, empty)
    nothing: Any = None
    return build_samples(store, nothing, sides)


def store_of(samples: Samples) -> SlabStore:
    """The store behind one side."""
    assert isinstance(samples.store, SlabStore)
    return samples.store
