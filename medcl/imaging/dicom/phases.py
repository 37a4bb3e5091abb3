"""Which slices of a position belong to which phase.

The key is the first of `PHASE_KEYS` that tells all slices of every position apart, else the order of InstanceNumber;
this was right for every complete series it was tried on, whether stored phase by phase or position by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from medcl.imaging.dicom.grouping import Member
from medcl.imaging.dicom.header import PHASE_KEYS

SECONDS_PER_DAY = 86400.0
_IDENTIFIER = "TemporalPositionIdentifier"
_CLOCKS = ("AcquisitionTime", "ContentTime")


class NotPhases(Exception):
    """The slices do not make complete phases; the text says why."""


def split_phases(levels: Sequence[Sequence[Member]]) -> list[list[Member]]:
    """The slices of each phase in order of the positions.

    Args:
        levels: slices of each position, as many in every one.

    Raises:
        NotPhases: positions have the same number of phases, but not the same ones.
    """
    if len(levels[0]) == 1:
        return [[level[0] for level in levels]]
    key = phase_key(levels)
    if key == _IDENTIFIER:
        known = {member.slice.times[key] for level in levels for member in level}
        if len(known) != len(levels[0]):
            raise NotPhases(
                f"incomplete phases: {len(known)} are named, but each position has {len(levels[0])} of them"
            )
    ordered = [sorted(level, key=lambda member: _rank(member, key)) for level in levels]
    return [[level[index] for level in ordered] for index in range(len(levels[0]))]


def phase_key(levels: Sequence[Sequence[Member]]) -> str:
    """The header field that tells the phases apart; "" for InstanceNumber."""
    for key in PHASE_KEYS:
        if all(_tells_apart(level, key) for level in levels):
            return key
    return ""


def phase_times(phases: Sequence[Sequence[Member]]) -> tuple[float, ...]:
    """Seconds of each phase after the first; empty for one phase, or when the files do not tell.

    The time of a phase is the median over its slices of AcquisitionTime, else ContentTime, else TriggerTime.
    """
    if len(phases) < 2:
        return ()
    for key in (*_CLOCKS, "TriggerTime"):
        values = [[member.slice.times.get(key) for member in phase] for phase in phases]
        if any(value is None for phase in values for value in phase):
            continue
        scale = 1.0 if key in _CLOCKS else 1e-3
        times = [scale * median(value for value in phase if value is not None) for phase in values]
        if len(set(times)) == len(times):
            day = SECONDS_PER_DAY if key in _CLOCKS else 0.0  # an examination over midnight
            return tuple(round(time - times[0] + (day if time < times[0] else 0.0), 3) for time in times)
    return ()


def _tells_apart(level: Sequence[Member], key: str) -> bool:
    values = {member.slice.times.get(key) for member in level}
    return None not in values and len(values) == len(level)


def _rank(member: Member, key: str) -> tuple[float, int]:
    return (member.slice.times[key] if key else 0.0, member.slice.number)
