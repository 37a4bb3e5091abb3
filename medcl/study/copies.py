"""Copies of an image across a split that is not to be changed: which ones to leave out.

An official split may hold one image on several sides. The leakage gate (`study/leakage.py`) refuses that; here the
copies are found that have to go so that it passes, while test, and after it validation, stays as others have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from medcl.study.leakage import Image
from medcl.study.plural import counted

KEPT_FIRST = ("test", "val", "train")
"""Of the sides on which an image stands, the first one here keeps it."""

_NAMED = 3


def leave_out_copies(images: Iterable[Image], sides: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """Find the images of which a copy stands on a side that is kept first.

    Args:
        images: with their names, patients and contents.
        sides: the part (train, val, test) of each patient; images of patients who have none do not count.

    Returns:
        The cases to leave out, and a sentence for each pair of sides that share images; none where no two do.
    """
    by_content: dict[str, dict[str, list[str]]] = {}
    for image in images:
        if image.patient in sides:
            by_content.setdefault(image.content, {}).setdefault(sides[image.patient], []).append(image.case)
    shared: dict[tuple[str, str], list[list[str]]] = {}
    for there in by_content.values():
        kept = min(there, key=KEPT_FIRST.index)
        for side in there.keys() - {kept}:
            shared.setdefault((side, kept), []).append(there[side])
    notes = [_note(*pair, shared[pair]) for pair in sorted(shared, key=_train_first)]
    return {case for groups in shared.values() for cases in groups for case in cases}, notes


def _train_first(pair: tuple[str, str]) -> list[int]:
    return [-KEPT_FIRST.index(side) for side in pair]


def _note(side: str, kept: str, groups: list[list[str]]) -> str:
    """One sentence about the images of a side, in groups of one content each, that stand on another one too."""
    cases = sorted(case for group in groups for case in group)
    one = len(cases) == 1
    different = f" ({len(groups)} different ones)" if len(groups) < len(cases) else ""
    more = f" and {len(cases) - _NAMED} more" if len(cases) > _NAMED else ""
    return (
        f"{counted(len(cases), 'image')} of {side}{different} {'stands' if one else 'stand'} in {kept} too and "
        f"{'is' if one else 'are'} left out of {side}, so that {kept} stays whole: {', '.join(cases[:_NAMED])}{more}"
    )
