"""The images of a run with what is known about each: what tasks and the loader see.

Of a store of slices (`medcl preprocess --slices`) every slice is an image of its own, a row with the patient, exam and
value of the image that it was cut from.

Rows are sorted by case, then by slice, so nothing that is drawn later depends on the order in which a disk or a
manifest lists files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from medcl.study.errors import BadInput
from medcl.study.plural import counted

if TYPE_CHECKING:
    from medcl.study.cohort import Cohort

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class StoredImage(Protocol):
    """An entry of the volume store, as far as training needs it (`imaging.store.StoredVolume` is one)."""

    @property
    def case(self) -> str: ...
    @property
    def patient(self) -> str: ...
    @property
    def exam(self) -> str: ...
    @property
    def sequence(self) -> str: ...
    @property
    def shape(self) -> Sequence[int]: ...
    @property
    def spacing(self) -> Sequence[float]: ...


class VolumeReader(Protocol):
    """Reads stored volumes (`imaging.store.VolumeStore` is one)."""

    @property
    def entries(self) -> Sequence[Any]: ...

    def read(self, entry: Any, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]: ...


class SliceReader(VolumeReader, Protocol):
    """Reads single slices and label maps too."""

    def read(
        self, entry: Any, out: NDArray[np.float32] | None = None, slice: int | None = None
    ) -> NDArray[np.float32]: ...

    def labels(self, entry: Any, slice: int | None = None) -> NDArray[Any] | None: ...


@dataclass(frozen=True, eq=False)
class Samples:
    """N images, or slices of images, in a fixed order: that of their cases.

    Attributes:
        store: reads an entry's voxels; `read` and `read_labels` are how everybody else does.
        entries: (N,) entries of the store; of slices the one that each lies in.
        cases, patients, exams, sequences, splits: (N,) texts; `splits` holds train, val, test.
        values: (N,) of the variable, NaN where missing; numbers of classes for a categorical one; None
            without a variable.
        classes: of a categorical variable, in natural order; None of a numeric one.
        variable: canonical name ("gfr"), "" without one.
        label: name and unit for people ("gfr [mL/min/1.73m2]").
        size: (z, y, x) in voxels, the same for all; (1, y, x) of slices.
        slices: (N,) number along z of each slice in its image; None where rows are volumes.
    """

    store: VolumeReader
    entries: list[Any]
    cases: NDArray[np.str_]
    patients: NDArray[np.str_]
    exams: NDArray[np.str_]
    sequences: NDArray[np.str_]
    splits: NDArray[np.str_]
    values: Floats | None
    classes: tuple[str, ...] | None
    variable: str
    label: str
    size: tuple[int, int, int]
    slices: Ints | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def rows(self, split: str) -> Ints:
        """Return the rows of a split ("train", "val"), ascending."""
        return np.flatnonzero(self.splits == split)

    def patient_codes(self) -> Ints:
        """Return a number for each image's patient, (N,)."""
        return np.unique(self.patients, return_inverse=True)[1].astype(np.int64)

    def note(self, rows: Ints) -> list[str]:
        """Return that training images are slices, of how many images, in a sentence; nothing of volumes."""
        if self.slices is None:
            return []
        images = len(set(self.cases[rows].tolist()))
        return [f"slices count as images: {len(rows):,} slices of {counted(images, 'image')} to train on"]

    def image_codes(self) -> Ints:
        """Return a number for the stored image of each row, (N,): equal for the slices of one."""
        return np.unique(self.cases, return_inverse=True)[1].astype(np.int64)

    @property
    def images(self) -> Ints | None:
        """`image_codes` of slices; None where each row is an image."""
        return None if self.slices is None else self.image_codes()

    @property
    def positions(self) -> Floats:
        """Where each slice lies in its image, (N,): 0 the first, 1 the last, 0.5 an only one; 0 for volumes."""
        if self.slices is None:
            return np.zeros(len(self))
        last = np.array([int(entry.shape[0]) - 1 for entry in self.entries])
        return np.where(last > 0, self.slices / np.maximum(last, 1), 0.5)

    @property
    def has_labels(self) -> NDArray[np.bool_]:
        """Whether each row's image has a label map, (N,)."""
        return np.array([bool(getattr(entry, "label_file", "")) for entry in self.entries], bool)

    def read(self, row: int, out: NDArray[np.float32]) -> None:
        """Read a row's voxels.

        Args:
            row: its place.
            out: C-contiguous float32 array of `size` to fill; a slice is read without the rest of its image.

        Raises:
            BadInput: the file is missing or damaged.
        """
        if self.slices is None:
            self.store.read(self.entries[row], out)
        else:
            cast(SliceReader, self.store).read(self.entries[row], out, slice=int(self.slices[row]))

    def read_labels(self, row: int, out: NDArray[np.uint16]) -> bool:
        """Read a row's labels, the values of the mask; return whether the image has a mask.

        Args:
            row: its place.
            out: uint16 array of `size` to fill; with 0 where there is no mask.

        Raises:
            BadInput: the file is missing or damaged.
        """
        number = None if self.slices is None else int(self.slices[row])
        store = cast(SliceReader, self.store)
        labels = store.labels(self.entries[row], number) if getattr(self.entries[row], "label_file", "") else None
        out[...] = 0 if labels is None else labels
        return labels is not None

    def spacings(self) -> Floats:
        """Return (N, 3) voxel spacings (z, y, x) in mm."""
        return np.array([[float(s) for s in entry.spacing] for entry in self.entries])


def build_samples(
    store: VolumeReader, cohort: Cohort, splits: Mapping[str, str], variable: str | None = None
) -> Samples:
    """Join the stored volumes with the splits and a clinical variable.

    Args:
        store: of preprocessed volumes or slices.
        cohort: the study's table; only asked for the variable.
        splits: patient to train, val or test. Images of patients that it does not name are left out.
        variable: name of a clinical variable as the user writes it, or None.

    Raises:
        BadInput: no image is left, sizes differ, or the variable is unknown, all missing or constant over the
            training patients.
    """
    entries = sorted((e for e in store.entries if e.patient in splits), key=lambda e: str(e.case))
    if not entries:
        raise BadInput(
            f"none of the {len(store.entries)} preprocessed images belongs to a patient of the splits: "
            "run `medcl preprocess` again, or give the splits of this study."
        )
    size, numbers = _sizes(store, entries)
    if numbers is not None:
        entries = [entry for entry in entries for _ in range(int(entry.shape[0]))]
    values, classes, name, label = _values(cohort, variable, entries, splits)
    return Samples(
        store=store,
        entries=entries,
        cases=np.array([e.case for e in entries]),
        patients=np.array([e.patient for e in entries]),
        exams=np.array([e.exam for e in entries]),
        sequences=np.array([e.sequence for e in entries]),
        splits=np.array([splits[e.patient] for e in entries]),
        values=values,
        classes=classes,
        variable=name,
        label=label,
        size=size,
        slices=numbers,
    )


def _values(
    cohort: Cohort, variable: str | None, entries: Sequence[Any], splits: Mapping[str, str]
) -> tuple[Floats | None, tuple[str, ...] | None, str, str]:
    if variable is None:
        return None, None, "", ""
    from medcl.study.variable import require_usable

    found = cohort.variable(variable)
    require_usable(found, list(dict.fromkeys(e.case for e in entries if splits[e.patient] == "train")))
    column = found.values.reindex([e.case for e in entries])
    if found.kind == "numeric":
        return column.to_numpy(np.float64), None, found.name, found.label
    classes = tuple(found.classes)
    number = {each: float(i) for i, each in enumerate(classes)}
    codes = np.array([number.get(each, np.nan) for each in column], np.float64)
    return codes, classes, found.name, found.label


def _sizes(store: VolumeReader, entries: Sequence[Any]) -> tuple[tuple[int, int, int], Ints | None]:
    """The one size of all rows and, of a store of slices, the number of each slice in its image."""
    if not getattr(store, "sliced", False):
        return _one_size(entries, [tuple(int(n) for n in entry.shape) for entry in entries]), None
    size = _one_size(entries, [(1, *(int(n) for n in entry.shape[1:])) for entry in entries])
    return size, np.concatenate([np.arange(int(entry.shape[0]), dtype=np.int64) for entry in entries])


def _one_size(entries: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> tuple[int, int, int]:
    sizes: dict[tuple[int, ...], list[str]] = {}
    for entry, shape in zip(entries, shapes, strict=True):
        sizes.setdefault(shape, []).append(str(entry.case))
    if len(sizes) > 1:
        shown = "; ".join(
            f"{' '.join(map(str, size))} ({len(cases)} images, such as {cases[0]})" for size, cases in sizes.items()
        )
        raise BadInput(
            f"the preprocessed images differ in size (z y x): {shown}. Training needs one size: "
            "run `medcl preprocess --size Z Y X`."
        )
    z, y, x = next(iter(sizes))
    return (z, y, x)
