"""Whether slices lie on a regular, rectangular grid, and in words what is wrong when they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.dicom.grouping import Member

SPACING_TOLERANCE = 0.02
"""How far a slice may lie from its place on the regular grid, as a share of the distance between slices. Rounded
headers stay below 0.001; the smallest real unevenness, a table that stopped, is above 0.1."""

DRIFT_TOLERANCE = 0.1
"""How far slices may be shifted within their plane over the whole stack, as a share of the pixel spacing."""

SAME_POSITION_MM = 0.005
"""Slices closer together than this along their normal lie at one position."""

_SHOWN = 5


def levels_of(members: Sequence[Member]) -> list[list[Member]]:
    """The slices by position along the stack's normal, from the first position to the last."""
    places = _along(members)
    levels: list[list[Member]] = []
    last = -np.inf
    for index in np.argsort(places, kind="stable"):
        if places[index] - last > SAME_POSITION_MM:
            levels.append([])
        levels[-1].append(members[index])
        last = places[index]
    return levels


def faults_of_stack(levels: Sequence[Sequence[Member]], members: Sequence[Member]) -> Iterator[str]:
    """Yield what is wrong with the places of the slices.

    Args:
        levels: as `levels_of` makes them.
        members: the same slices in any order.
    """
    fault = _fault_of_header(members)
    if fault:
        yield fault
        return
    if len(levels) < 2:
        if not members[0].slice.thickness:
            yield "a single slice whose thickness the header does not tell"
        return
    places = np.array([_along(level)[0] for level in levels])
    gaps = np.diff(places)
    missing = _missing(gaps)
    yield from missing
    if not missing:
        step = (places[-1] - places[0]) / len(gaps)
        worst = float(np.abs(places - places[0] - step * np.arange(len(places))).max())
        if worst > SPACING_TOLERANCE * step:
            yield (
                f"uneven spacing: from {gaps.min():.4g} to {gaps.max():.4g} mm between slices "
                f"(tolerance {SPACING_TOLERANCE:.0%} of {step:.4g} mm)"
            )
    drift = _drift(levels)
    if drift > DRIFT_TOLERANCE * min(members[0].slice.spacing):
        angle = np.degrees(np.arctan2(drift, places[-1] - places[0]))
        yield f"a sheared stack: slices shift by {drift:.3g} mm in their plane ({angle:.1f} degrees; a tilted gantry?)"


def _fault_of_header(members: Sequence[Member]) -> str | None:
    cosines = np.array(members[0].slice.orientation).reshape(2, 3)
    lengths = np.linalg.norm(cosines, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(float(cosines[0] @ cosines[1])) > 0.01:
        return "its orientation is none: rows and columns are not at right angles or not of length 1"
    if min(members[0].slice.spacing) <= 0:
        return "its pixel spacing is not above 0"
    return None


def _missing(gaps: NDArray[np.float64]) -> list[str]:
    """Gaps that are whole multiples of the usual one."""
    usual = float(gaps.min())
    if not all(_is_multiple(gap / usual) for gap in gaps):
        usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # the lower median: of two gaps the smaller one
    missing = [
        (index, round(gap / usual) - 1)
        for index, gap in enumerate(gaps, 1)
        if gap > 1.5 * usual and _is_multiple(gap / usual)
    ]
    if not missing:
        return []
    listed = ", ".join(f"{count} after slice {index}" for index, count in missing[:_SHOWN])
    more = ", ..." if len(missing) > _SHOWN else ""
    total = sum(count for _, count in missing)
    return [f"missing slices: {total} of {len(gaps) + 1 + total} ({listed}{more}; {usual:.4g} mm apart)"]


def _is_multiple(ratio: float) -> bool:
    return abs(ratio - round(ratio)) < SPACING_TOLERANCE * ratio


def _drift(levels: Sequence[Sequence[Member]]) -> float:
    """Largest shift within the plane, in mm, of any slice against the first."""
    normal = normal_of(levels[0][0])
    places = np.array([member.slice.position for level in levels for member in level])
    offsets = places - places[0]
    return float(np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1).max())


def normal_of(member: Member) -> NDArray[np.float64]:
    """Unit normal of a slice in LPS, right-handed with its row and column direction."""
    row, column = np.array(member.slice.orientation).reshape(2, 3)
    normal = np.cross(row, column)
    length = float(np.linalg.norm(normal))
    return np.asarray(normal / length if length else normal)


def _along(members: Sequence[Member]) -> NDArray[np.float64]:
    """Each slice's place in mm along the normal of the first."""
    return np.asarray(np.array([member.slice.position for member in members]) @ normal_of(members[0]))
