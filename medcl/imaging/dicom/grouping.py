"""Groups the slices of a scan: by patient, study, series, what they show, echo, b-value, and grid.

Phases are not told apart here: they lie on the same grid (`medcl.imaging.dicom.assemble`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcl.imaging.dicom.header import Header, LeftOut, Slice
from medcl.imaging.dicom.kind import LEFT_OUT

ORIENTATION_TOLERANCE = 1e-3
"""Direction cosines of one orientation differ by less: 0.06 degrees, far above what rounding of headers does."""

SMALLEST_STACK = 3
"""Of several grids in one series each must have so many slices to count as a stack; fewer are strays."""


@dataclass(frozen=True, slots=True)
class Member:
    """One slice of a group and where it lies on the disk."""

    path: Path
    instance: str
    slice: Slice


@dataclass(frozen=True)
class Group:
    """Slices that make one volume, or several phases of one, when nothing is wrong with them.

    Attributes:
        head: header of the first file; patient, study, series and the rest are those of all members.
        members: the slices, in the order of their numbers.
        component: what they show: magnitude, water, ...
        echo: 1, 2, ... when the series has several echoes, else 0.
        stack: 1, 2, ... when the series has several grids, else 0.
        mixed: whether grids were left together because some have too few slices to be a stack.
        b_value: s/mm2, when the series has several b-values; None also for its slices that tell none.
    """

    head: Header
    members: tuple[Member, ...]
    component: str
    echo: int = 0
    stack: int = 0
    mixed: bool = False
    b_value: float | None = None

    @property
    def folder(self) -> Path:
        """Where its first file lies."""
        return self.head.path.parent


def group(headers: Iterable[Header]) -> tuple[list[Group], list[LeftOut]]:
    """The groups, by patient, date, series and number; and the files of which frames are left out.

    Args:
        headers: of the files that are images.
    """
    series: dict[tuple[str, ...], list[tuple[Header, Member]]] = defaultdict(list)
    left_out = []
    for header in headers:
        for slice_ in header.slices:
            if not slice_.component.startswith(LEFT_OUT):
                key = (header.patient, header.study, header.series, header.frame_of_reference, header.modality)
                series[key].append((header, Member(header.path, header.instance, slice_)))
        left_out += _frames_left_out(header)
    groups = [made for pairs in series.values() for made in _of_series(pairs)]
    groups.sort(
        key=lambda each: (each.head.patient, each.head.date, each.head.study, each.head.number, each.head.series)
    )
    return groups, left_out


def _frames_left_out(header: Header) -> list[LeftOut]:
    reasons = Counter(each.component.removeprefix(LEFT_OUT) for each in header.slices if LEFT_OUT in each.component)
    total = len(header.slices)
    return [LeftOut(header.path, f"{reason}: {count} of its {total} frames") for reason, count in reasons.items()]


def _of_series(pairs: Sequence[tuple[Header, Member]]) -> list[Group]:
    """The groups of one series."""
    kinds: dict[tuple[str, float, float | None], list[tuple[Header, Member]]] = defaultdict(list)
    for header, member in pairs:
        slice_ = member.slice
        weighting = None if slice_.b_value is None else float(round(slice_.b_value))
        kinds[slice_.component, round(slice_.echo, 2), weighting].append((header, member))
    echoes: dict[str, set[float]] = defaultdict(set)
    b_values: dict[str, set[float | None]] = defaultdict(set)
    for shown, echo, b_value in kinds:
        echoes[shown].add(echo)
        b_values[shown].add(b_value)
    groups = []
    for (shown, echo, b_value), members in kinds.items():
        order = sorted(echoes[shown]).index(echo) + 1 if len(echoes[shown]) > 1 else 0
        told = b_value if len(b_values[shown]) > 1 else None
        grids = _grids(members)
        mixed = len(grids) > 1 and min(map(len, grids)) < SMALLEST_STACK
        if mixed:
            grids = [members]
        for index, grid in enumerate(grids, 1):
            grid.sort(key=lambda pair: (pair[1].slice.number, pair[1].slice.frame, str(pair[1].path)))
            made = tuple(member for _, member in grid)
            stack = index if len(grids) > 1 else 0
            groups.append(Group(grid[0][0], made, shown, order, stack, mixed, told))
    return groups


def _grids(pairs: Sequence[tuple[Header, Member]]) -> list[list[tuple[Header, Member]]]:
    """The slices by size, spacing and orientation."""
    grids: list[
        tuple[tuple[object, ...], np.ndarray[tuple[int], np.dtype[np.float64]], list[tuple[Header, Member]]]
    ] = []
    for header, member in pairs:
        own = (header.rows, header.columns, *(round(mm, 4) for mm in member.slice.spacing))
        cosines = np.array(member.slice.orientation)
        for size, known, grid in grids:
            if size == own and np.abs(known - cosines).max() < ORIENTATION_TOLERANCE:
                grid.append((header, member))
                break
        else:
            grids.append((own, cosines, [(header, member)]))
    return [grid for _, _, grid in grids]
