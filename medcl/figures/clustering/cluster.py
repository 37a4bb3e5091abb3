"""A cluster and the images that stand for it, as the page knows them: plain arrays and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from medcl.figures.labels import SPLITS


@dataclass(frozen=True)
class Example:
    """A real image.

    Attributes:
        pixels: (H, W), or (Z, Y, X) of a volume, in [0, 1].
        patient: their name; shown where names are allowed.
        place: what else names it, such as exam and sequence; "" where there is nothing.
        split: a key of SPLITS.
    """

    pixels: NDArray[Any]
    patient: str = ""
    place: str = ""
    split: str = ""

    def name(self, ids: bool) -> str:
        """The image in words, without the patient unless `ids`."""
        split = SPLITS.get(self.split, self.split).removesuffix(" patients").lower() if self.split else ""
        return " · ".join(part for part in (self.patient if ids else "", self.place, split) if part)

    @property
    def held_out(self) -> bool:
        """Whether no training has seen the patient."""
        return self.split in ("test", "new")


@dataclass(frozen=True)
class Cluster:
    """One cluster; its place in the list is the number that the maps' assignments have.

    Attributes:
        name: as assignments.csv calls it, such as "1".
        sizes: images by split, keys of SPLITS.
        prototype: (H, W) or (Z, Y, X) in [0, 1], the decoded centre; None where there is none.
        nearest: real images, the nearest to the centre first.
    """

    name: str
    sizes: Mapping[str, int]
    prototype: NDArray[Any] | None = None
    nearest: tuple[Example, ...] = ()

    @property
    def size(self) -> int:
        """Images of all splits."""
        return sum(self.sizes.values())
