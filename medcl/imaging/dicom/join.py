"""Phases of a dynamic examination that the scanner stored as series of their own, put together again.

Series are phases of one another when they are of one patient, study, frame of reference, component, echo, b-value and
timing, lie voxel on voxel, were acquired one after the other, and say so: by different temporal positions, or by a word
of `rules.PHASE_SERIES` in descriptions that are the same but for numbers. A scan that was only repeated says nothing of
that kind, and one whose flip angle or inversion time differs is no phase: both stay as they are.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medcl.imaging.dicom.assemble import Assembled
from medcl.imaging.dicom.grouping import ORIENTATION_TOLERANCE, Group, Member
from medcl.imaging.dicom.phases import phase_times
from medcl.imaging.dicom.rules import fits
from medcl.imaging.dicom.stack import SAME_POSITION_MM

LONGEST_GAP_SECONDS = 900.0
"""Phases follow each other within this; late phases of the kidney are taken after some ten minutes (ours)."""

_CLOCKS = ("AcquisitionTime", "ContentTime")
_NUMBERS = re.compile(r"\d+")
_IDENTIFIER = "TemporalPositionIdentifier"


@dataclass(frozen=True)
class Joined:
    """Series that are phases of one another, in order of time.

    Attributes:
        places: of the groups among those given, one for each phase.
        phases: slices of each phase.
        seconds: of each phase after the first.
        words: the description without the numbers that tell the phases apart.
    """

    places: tuple[int, ...]
    phases: tuple[tuple[Member, ...], ...]
    seconds: tuple[float, ...]
    words: str


def join(groups: Sequence[Group], clean: Sequence[Assembled], words: Sequence[re.Pattern[str]]) -> list[Joined]:
    """The sets of series that are phases of one another.

    Args:
        groups: as `group` makes them.
        clean: what `assemble` made of each; those with problems or with several phases of their own take no part.
        words: patterns of PHASE_SERIES, or the user's.
    """
    alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, (group, made) in enumerate(zip(groups, clean, strict=True)):
        if len(made.phases) == 1 and not made.problems and _moment(made.phases[0]) is not None:
            alike[_kind(group)].append(place)
    found = []
    for places in alike.values():
        for grid in _same_grid(places, clean):
            for run in _one_after_the_other(grid, clean):
                if len(run) > 1 and _told([groups[place] for place in run], [clean[p].phases[0] for p in run], words):
                    phases = tuple(clean[place].phases[0] for place in run)
                    seconds = phase_times(phases)
                    if seconds:
                        found.append(Joined(tuple(run), phases, seconds, _bare(groups[run[0]].head.description)))
    return found


def _kind(group: Group) -> tuple[object, ...]:
    head, first = group.head, group.members[0].slice
    return (
        head.patient, head.study, head.frame_of_reference, head.modality, head.scanner, group.component, group.stack,
        round(first.echo, 2), first.b_value, tuple(round(each, 1) for each in first.timing), head.rows, head.columns,
        len(group.members), _bare(head.description).casefold(),
    )  # fmt: skip


def _bare(description: str) -> str:
    """A description without numbers; "dyn 1/6" and "dyn 2/6" are one."""
    return " ".join(_NUMBERS.sub(" ", description).replace("/", " ").split())


def _same_grid(places: Sequence[int], clean: Sequence[Assembled]) -> list[list[int]]:
    grids: list[list[int]] = []
    for place in places:
        for grid in grids:
            if _on_one_grid(clean[grid[0]].phases[0], clean[place].phases[0]):
                grid.append(place)
                break
        else:
            grids.append([place])
    return grids


def _on_one_grid(one: Sequence[Member], other: Sequence[Member]) -> bool:
    if len(one) != len(other):
        return False
    corners = np.array([[member.slice.position for member in phase] for phase in (one, other)])
    cosines = np.array([phase[0].slice.orientation for phase in (one, other)])
    pixels = np.array([phase[0].slice.spacing for phase in (one, other)])
    apart = np.linalg.norm(corners[0] - corners[1], axis=1).max()
    return bool(
        apart <= SAME_POSITION_MM
        and np.abs(cosines[0] - cosines[1]).max() < ORIENTATION_TOLERANCE
        and np.allclose(pixels[0], pixels[1], rtol=1e-4)
    )


def _one_after_the_other(places: Sequence[int], clean: Sequence[Assembled]) -> Iterator[list[int]]:
    """Yield the series in order of time, cut where a gap is too long.

    Where two were acquired at once, they are two reconstructions of the same scan and no phases.
    """
    times = {place: _moment(clean[place].phases[0]) or 0.0 for place in places}
    if len(set(times.values())) < len(times):
        return
    ordered = sorted(places, key=lambda place: times[place])
    run: list[int] = []
    for place in ordered:
        if run and times[place] - times[run[-1]] > LONGEST_GAP_SECONDS:
            yield run
            run = []
        run.append(place)
    yield run


def _told(groups: Sequence[Group], phases: Sequence[Sequence[Member]], words: Sequence[re.Pattern[str]]) -> bool:
    """Whether the headers say that these are phases."""
    named = [{member.slice.times.get(_IDENTIFIER) for member in phase} for phase in phases]
    if all(len(each) == 1 and None not in each for each in named) and len(set.union(*named)) == len(named):
        return True
    return all(fits(_NUMBERS.sub(" ", group.head.description), words) for group in groups)


def _moment(phase: Sequence[Member]) -> float | None:
    """When its first slice was acquired, in seconds after midnight."""
    for clock in _CLOCKS:
        times = [member.slice.times.get(clock) for member in phase]
        known = [time for time in times if time is not None]
        if len(known) == len(times):
            return min(known)
    return None
