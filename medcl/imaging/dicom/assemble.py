"""From a group of slices to clean phases, or to the list of what is wrong with it.

Reads pixels only where the same slice seems to be there twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from medcl.imaging.dicom.grouping import Group, Member
from medcl.imaging.dicom.phases import NotPhases, phase_times, split_phases
from medcl.imaging.dicom.pixels import PixelFault, same_pixels
from medcl.imaging.dicom.stack import faults_of_stack, levels_of

DIRECTIONS = "several images of one b-value: they are gradient directions or repeats, no phases in time"
NO_FRAME_OF_REFERENCE = "the files name no frame of reference; one was given in memory for this series alone"


@dataclass(frozen=True)
class Assembled:
    """What became of a group.

    Attributes:
        phases: slices of each phase from the first position to the last; one phase for a plain volume; empty when
            something is wrong.
        seconds: of each phase after the first; empty when the files do not tell.
        notes: what was corrected and should be known.
        problems: why the group cannot be used.
    """

    phases: tuple[tuple[Member, ...], ...] = ()
    seconds: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def assemble(group: Group) -> Assembled:
    """Order a group's slices into complete phases on a regular grid.

    Missing and doubled slices, incomplete phases, sheared stacks, mixed orientations and uneven spacings are problems;
    a slice that is there twice with the same content is dropped, and noted.
    """
    notes = [] if group.head.frame_of_reference else [NO_FRAME_OF_REFERENCE]
    if group.mixed:
        return Assembled(problems=(_mixed(group),))
    try:
        members, dropped = _without_doubles(group.members)
        levels = levels_of(members)
        if len({len(level) for level in levels}) > 1:
            levels, more = _without_equal_slices(levels)
            dropped += more
    except PixelFault as fault:
        return Assembled(problems=(fault.reason,))
    if dropped:
        notes.append(f"{dropped} slices were there twice with the same content; one of each is used")
    problems = list(faults_of_stack(levels, members))
    counts = Counter(len(level) for level in levels)
    phases: list[list[Member]] = []
    if len(counts) > 1:
        problems.append(_uneven(levels, counts))
    else:
        try:
            phases = split_phases(levels)
        except NotPhases as error:
            problems.append(str(error))
    if problems:
        return Assembled(notes=tuple(notes), problems=tuple(problems))
    if len(phases) > 1 and group.members[0].slice.b_value:
        return Assembled(tuple(map(tuple, phases)), (), (*notes, DIRECTIONS))
    return Assembled(tuple(map(tuple, phases)), phase_times(phases), tuple(notes))


def _mixed(group: Group) -> str:
    sizes = Counter(tuple(round(c, 3) for c in member.slice.orientation) for member in group.members)
    if len(sizes) == 1:
        return "slices of different size or pixel spacing lie in one series"
    shares = " + ".join(str(count) for count in sorted(sizes.values(), reverse=True)[:6])
    return f"mixed orientation: {len(sizes)} directions in one series ({shares} slices)"


def _without_doubles(members: Sequence[Member]) -> tuple[list[Member], int]:
    """Drop the second copy of an instance when its content is the same; keep both when it is not."""
    first: dict[tuple[str, int], Member] = {}
    kept, dropped = [], 0
    for member in members:
        known = first.setdefault((member.instance, member.slice.frame), member)
        if known is not member and known.slice == member.slice and same_pixels(known, member):
            dropped += 1
        else:
            kept.append(member)
    return kept, dropped


def _without_equal_slices(levels: Sequence[Sequence[Member]]) -> tuple[list[list[Member]], int]:
    """Drop slices that equal another one of their position in time and content, whatever they are called."""
    cleaned, dropped = [], 0
    for level in levels:
        kept: list[Member] = []
        for member in level:
            if any(member.slice.times == other.slice.times and same_pixels(member, other) for other in kept):
                dropped += 1
            else:
                kept.append(member)
        cleaned.append(kept)
    return cleaned, dropped


def _uneven(levels: Sequence[Sequence[Member]], counts: Counter[int]) -> str:
    """Positions with more or fewer slices than the others, in words."""
    usual = max(counts, key=lambda count: (counts[count], count))
    odd = [(index, len(level)) for index, level in enumerate(levels, 1) if len(level) != usual]
    listed = ", ".join(f"position {index}: {count}" for index, count in odd[:5]) + (", ..." if len(odd) > 5 else "")
    if usual == 1:
        return f"doubled slices at {len(odd)} of {len(levels)} positions, with different content ({listed})"
    return f"incomplete phases: {usual} at most positions, but {listed}"
