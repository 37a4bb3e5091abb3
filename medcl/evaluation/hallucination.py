"""What a translation kept of its source, and whether it may have made something up.

A generator that is trained without pairs can draw what is likely in the target rather than what is in the source
(Cohen et al., MICCAI 2018). Nothing proves that it did not, but two things would show much of it: translations that
tell no more of their own source slice than of another, and labels whose intensities no longer differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medcl.evaluation.label_intensities import LabelIntensities, label_intensities
from medcl.evaluation.mutual_information import mutual_information

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Hallucination:
    """What was found of a stack of slices.

    Attributes:
        mutual_information: of source and translation, in bits.
        chance: the same of every source slice and the translation of another one; None of a single slice. Slices of
            one body part look alike, so that it is well above 0; a faithful translation lies well above it.
        labels: intensities of each label; none without labels.
    """

    mutual_information: float
    chance: float | None
    labels: tuple[LabelIntensities, ...]


def hallucination(source: Floats, translated: Floats, labels: npt.NDArray[Any] | None = None) -> Hallucination:
    """Compare slices with their translations.

    Args:
        source, translated: (N, Y, X) of one shape in [0, 1]; of a volume the slices in their order, which puts those
            that are exchanged for the chance value half the stack apart.
        labels: (N, Y, X) of the source, unsigned integers; None where there are none.

    Raises:
        ValueError: the shapes differ.
    """
    chance = None
    if len(source) > 1:
        chance = mutual_information(source, np.roll(translated, len(translated) // 2, axis=0))
    return Hallucination(
        mutual_information(source, translated),
        chance,
        () if labels is None else tuple(label_intensities(source, translated, labels)),
    )
