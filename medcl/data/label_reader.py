"""Label maps as class indices: 0 is the background, 1, 2, ... the declared classes in their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medcl.data.samples import Samples
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.study.errors import BadInput
from medcl.study.label_values import values_in_words

UNKNOWN = 254
"""Of values that are no class, while reading."""

MOST_CLASSES = 253
"""Class indices are kept in a byte; two numbers of it are taken."""

VALUES = 2**16
"""Label values are stored as 8 or 16 bits."""


class LabelReader:
    """Reads an image's mask as class indices.

    Args:
        samples: the images.
        classes: label values of the classes; classes[i] becomes index i + 1.

    Raises:
        BadInput: more classes than a byte can number, or values that are none or stand twice.
    """

    def __init__(self, samples: Samples, classes: Sequence[int]) -> None:
        if len(classes) > MOST_CLASSES:
            raise BadInput(f"{len(classes)} label classes are declared; medcl segments {MOST_CLASSES} at most.")
        if len(set(classes)) < len(classes) or not all(0 < value < VALUES for value in classes):
            raise BadInput(
                f"the label values of the classes are {', '.join(map(str, classes))}; expected different whole "
                f"numbers from 1 to {VALUES - 1}."
            )
        self._samples = samples
        self._indices = np.full(VALUES, UNKNOWN, np.uint8)
        self._indices[0] = 0
        self._indices[list(classes)] = np.arange(1, len(classes) + 1)

    def read(self, row: int, out: NDArray[np.uint8]) -> None:
        """Fill `out` (D, H, W) with the class indices of an image, with UNLABELLED where it has no mask.

        Raises:
            BadInput: the mask holds a value that is no class, or cannot be read.
        """
        values = np.empty(out.shape, np.uint16)
        if not self._samples.read_labels(row, values):
            out.fill(UNLABELLED)
            return
        np.take(self._indices, values, out=out, mode="clip")  # any mode but "raise" writes without a copy
        if (out == UNKNOWN).any():
            found, counts = np.unique(values[out == UNKNOWN], return_counts=True)
            told = values_in_words(dict(zip(found.tolist(), counts.tolist(), strict=True)))
            raise BadInput(
                f"{self._samples.cases[row]}: its mask holds label values that are no class: {told}. "
                "Declare them under [labels] in medcl.toml, or correct the mask and run `medcl preprocess`."
            )
