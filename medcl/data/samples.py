"""The images of a run with what is known about each: what tasks and the loader see.

Rows are sorted by case, so nothing that is drawn later depends on the order in which a disk or a manifest
lists files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medcl.study.errors import BadInput

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


@dataclass(frozen=True, eq=False)
class Samples:
    """N images in a fixed order, that of their cases.

    Attributes:
        store: reads an entry's voxels.
        entries: (N,) entries of the store.
        cases, patients, exams, sequences, splits: (N,) texts; `splits` holds train, val, test.
        values: (N,) of the variable, NaN where missing; numbers of classes for a categorical one; None
            without a variable.
        classes: of a categorical variable, in natural order; None of a numeric one.
        variable: canonical name ("gfr"), "" without one.
        label: name and unit for people ("gfr [mL/min/1.73m2]").
        size: (z, y, x) in voxels, the same for all.
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

    def __len__(self) -> int:
        return len(self.entries)

    def rows(self, split: str) -> Ints:
        """Return the rows of a split ("train", "val"), ascending."""
        return np.flatnonzero(self.splits == split)

    def patient_codes(self) -> Ints:
        """Return a number for each image's patient, (N,)."""
        return np.unique(self.patients, return_inverse=True)[1].astype(np.int64)

    def spacings(self) -> Floats:
        """Return (N, 3) voxel spacings (z, y, x) in mm."""
        return np.array([[float(s) for s in entry.spacing] for entry in self.entries])


def build_samples(
    store: VolumeReader, cohort: Cohort, splits: Mapping[str, str], variable: str | None = None
) -> Samples:
    """Join the stored volumes with the splits and a clinical variable.

    Args:
        store: of preprocessed volumes.
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
        size=_one_size(entries),
    )


def _values(
    cohort: Cohort, variable: str | None, entries: Sequence[Any], splits: Mapping[str, str]
) -> tuple[Floats | None, tuple[str, ...] | None, str, str]:
    if variable is None:
        return None, None, "", ""
    from medcl.study.variable import require_usable

    found = cohort.variable(variable)
    require_usable(found, [e.case for e in entries if splits[e.patient] == "train"])
    column = found.values.reindex([e.case for e in entries])
    if found.kind == "numeric":
        return column.to_numpy(np.float64), None, found.name, found.label
    classes = tuple(found.classes)
    number = {each: float(i) for i, each in enumerate(classes)}
    codes = np.array([number.get(each, np.nan) for each in column], np.float64)
    return codes, classes, found.name, found.label


def _one_size(entries: Sequence[Any]) -> tuple[int, int, int]:
    sizes: dict[tuple[int, ...], list[str]] = {}
    for entry in entries:
        sizes.setdefault(tuple(int(n) for n in entry.shape), []).append(str(entry.case))
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
