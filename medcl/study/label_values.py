"""Label values in sentences: the first ones with their counts, since what is no label map may hold a million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medcl.study.label_classes import LabelClass
from medcl.study.plural import counted

MOST_TOLD = 8


def values_in_words(counts: Mapping[int, int]) -> str:
    """The lowest values and their voxels: "7 (5 voxels), 9 (1 voxel) and 12 more values"."""
    shown = sorted(counts.items())[:MOST_TOLD]
    told = ", ".join(f"{value} ({counted(voxels, 'voxel')})" for value, voxels in shown)
    return told + _rest(len(counts), "value", "values")


def classes_in_words(classes: Sequence[LabelClass]) -> str:
    """The first classes: "1 = liver, 2 = spleen and 90 more classes"."""
    told = ", ".join(f"{each.value} = {each.name}" for each in classes[:MOST_TOLD])
    return told + _rest(len(classes), "class", "classes")


def _rest(number: int, one: str, many: str) -> str:
    return f" and {counted(number - MOST_TOLD, f'more {one}', f'more {many}')}" if number > MOST_TOLD else ""
