"""One source slice with what became of it: a row of the sample pictures of a translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Slice = NDArray[np.float32]
Indices = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Panel:
    """A source slice, its translation, and the real target slices that look most like it.

    Slices are (Y, X) as stores hold them, RAS+: rows run from back to front, columns from left to right of the patient;
    they are turned as radiologists hang them when they are drawn. Masks hold class indices, 0 is background.

    Attributes:
        case: name of the source image; "" where it shall not be named.
        slice: number of the slice in its image, from 0.
        source, translated: in [0, 1].
        neighbours: target slices in [0, 1], the most alike first.
        labels: what the source's mask says; None without one.
        segmentation: of the translated slice, by the segmentation network; None without one.
        neighbour_segmentations: of the neighbours, one each; () without a network.
        neighbour_names: what each neighbour is called; () where they shall not be named.

    Raises:
        ValueError: the slices or masks of the panel differ in size, or the segmentations or names in number from the
            neighbours.
    """

    case: str
    slice: int
    source: Slice
    translated: Slice
    neighbours: tuple[Slice, ...]
    labels: Indices | None = None
    segmentation: Indices | None = None
    neighbour_segmentations: tuple[Indices, ...] = ()
    neighbour_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        masks = [each for each in (self.labels, self.segmentation) if each is not None]
        planes = [self.source, self.translated, *self.neighbours, *masks, *self.neighbour_segmentations]
        sizes = {plane.shape for plane in planes}
        if len(sizes) > 1 or self.source.ndim != 2:
            told = ", ".join(str(size) for size in sorted(sizes))
            raise ValueError(f"the slices and masks of a panel are of sizes {told}; expected one (Y, X).")
        for given in (self.neighbour_segmentations, self.neighbour_names):
            if given and len(given) != len(self.neighbours):
                raise ValueError(f"{len(given)} segmentations or names for {len(self.neighbours)} neighbours.")
