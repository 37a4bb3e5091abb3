"""Slices of two domains side by side: those that are translated and those that they shall look like.

Source and target are prepared by recipes of their own (Hounsfield windows for CT, percentiles for MR), so they lie in
two stores, of one study or of two. Joined they are one `Samples`, which tasks and the loader take as any other. A
patient of both stores, told by the id, is one patient and has one side of the split.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medcl.data.samples import Samples, SliceReader
from medcl.study.errors import BadInput
from medcl.study.leakage import check_leakage

SHOWN = 3
"""So many images are named to the user."""


@dataclass(frozen=True, eq=False)
class Domains:
    """Source and target slices as one.

    Attributes:
        samples: N slices, the source's before the target's; their entries are `DomainEntry`, and they know no
            variable.
        source: (N,) whether each is of the source.
    """

    samples: Samples
    source: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DomainEntry:
    """An image under its name among both domains; whatever else is asked of it, the stored image answers.

    Attributes:
        case: its name, unique over both stores.
        stored: the entry of its own store.
        store: reads it.
    """

    case: str
    stored: Any
    store: SliceReader

    def __getattr__(self, name: str) -> Any:
        if name == "stored":  # while it is copied, nobody can be asked yet
            raise AttributeError(name)
        return getattr(self.stored, name)


@dataclass(frozen=True, eq=False)
class DomainReader:
    """Reads each image from its own store.

    Attributes:
        entries: one an image, the source's before the target's.
    """

    entries: list[DomainEntry]

    @property
    def sliced(self) -> bool:
        """Always: every slice is an image of its own."""
        return True

    def read(
        self, entry: DomainEntry, out: NDArray[np.float32] | None = None, slice: int | None = None
    ) -> NDArray[np.float32]:
        """Voxels of an image, (Z, Y, X) in [0, 1], or of one of its slices, (1, Y, X), as its store reads them."""
        return entry.store.read(entry.stored, out, slice=slice)

    def labels(self, entry: DomainEntry, slice: int | None = None) -> NDArray[Any] | None:
        """Labels of an image or of one of its slices, as its store reads them; None where it has no mask."""
        return entry.store.labels(entry.stored, slice)


def join_domains(source: Samples, target: Samples) -> Domains:
    """Join the slices of the source and of the target.

    An image keeps its name, unless two different images have the same one, as happens between two studies: then those
    of the target are called "target NAME".

    Args:
        source: slices that are translated, with the sides of their split; their variable is left out.
        target: slices that they shall look like.

    Raises:
        BadInput: rows are volumes, the slices of the two differ in size, an image is in both, or a patient or the
            content of an image stands on two sides of the split.
    """
    _refuse_volumes(source, target)
    _refuse_other_size(source, target)
    _refuse_shared_images(source, target)
    names = _names(source, target)
    entries = [entry for side, cases in zip((source, target), names, strict=True) for entry in _entries(side, cases)]
    samples = Samples(
        store=DomainReader(list(_images(entries))),
        entries=entries,
        cases=np.concatenate(names),
        patients=np.concatenate([source.patients, target.patients]),
        exams=np.concatenate([source.exams, target.exams]),
        sequences=np.concatenate([source.sequences, target.sequences]),
        splits=np.concatenate([source.splits, target.splits]),
        values=None,
        classes=None,
        variable="",
        label="",
        size=source.size,
        slices=np.concatenate([_numbers(source), _numbers(target)]),
    )
    _refuse_leaks(samples)
    return Domains(samples, np.arange(len(samples)) < len(source))


def _entries(side: Samples, cases: NDArray[np.str_]) -> Iterator[DomainEntry]:
    """The entry of each row, one object for all rows of an image."""
    made: dict[int, DomainEntry] = {}
    store = cast(SliceReader, side.store)
    for entry, case in zip(side.entries, cases.tolist(), strict=True):
        yield made.setdefault(id(entry), DomainEntry(case, entry, store))


def _images(entries: list[DomainEntry]) -> Iterator[DomainEntry]:
    """Each entry once."""
    return iter({id(entry): entry for entry in entries}.values())


def _names(source: Samples, target: Samples) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
    """The rows' cases, those of the target renamed where one is the source's too."""
    theirs, taken = target.cases, set(source.cases.tolist())
    while taken & set(theirs.tolist()):
        theirs = np.array([f"target {case}" for case in theirs.tolist()])
    return source.cases, theirs


def _numbers(side: Samples) -> NDArray[np.int64]:
    assert side.slices is not None
    return side.slices


def _refuse_volumes(source: Samples, target: Samples) -> None:
    for word, side in (("source", source), ("target", target)):
        if side.slices is None:
            raise BadInput(
                f"the preprocessed images of the {word} are volumes, and translation works on slices: run "
                f"`medcl preprocess --slices axial`, and name what it makes with --{word}-preprocessed."
            )


def _refuse_other_size(source: Samples, target: Samples) -> None:
    if source.size != target.size:
        ours, theirs = (" x ".join(map(str, side.size[1:])) for side in (source, target))
        raise BadInput(
            f"the slices of the source have {ours} pixels (y x) and those of the target {theirs}; translation needs "
            "one size: run `medcl preprocess` for one of them with the --slice-size of the other."
        )


def _refuse_shared_images(source: Samples, target: Samples) -> None:
    """Refuse an image that is in both: of one store the same name, of several the same voxels."""
    ours = {key: case for case, keys in _identities(source).items() for key in keys}
    shared = {
        ours[key]: case for case, keys in _identities(target).items() for key in keys if key in ours
    }  # the source's name for the target's
    if shared:
        names = [case if case == other else f"{case} ({other})" for case, other in shared.items()]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise BadInput(
            f"{len(names)} images are in the source and in the target: {', '.join(names[:SHOWN])}{more}. Choose "
            "--source and --target so that no image is in both."
        )


def _identities(side: Samples) -> dict[str, set[tuple[object, str]]]:
    """What tells each image of a side, by its case."""
    found = {}
    for case, entry in dict(zip(side.cases.tolist(), side.entries, strict=True)).items():
        content = getattr(entry, "content", "")
        found[case] = {(_place(side), case)} | ({("content", content)} if content else set())
    return found


def _place(side: Samples) -> object:
    """What tells stores apart: the folder, of stores that have one."""
    return getattr(side.store, "path", None) or id(side.store)


def _refuse_leaks(samples: Samples) -> None:
    """Refuse a patient, or a copy of an image, on two sides of the split."""
    rows = np.unique(samples.cases, return_index=True)[1].tolist()
    check_leakage(
        [str(samples.cases[row]) for row in rows],
        [str(samples.patients[row]) for row in rows],
        [getattr(samples.entries[row], "content", "") or str(samples.cases[row]) for row in rows],
        [str(samples.splits[row]) for row in rows],
    )
