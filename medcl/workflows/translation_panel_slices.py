"""Which slices the sample pictures of a translation show: fixed for a run, by its images and seed alone.

Source slices are of validation patients (of training patients where there are none); target slices are of training
patients. Patients of the test part are never shown, and no mask of a target image is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from medcl.data.domains import Domains
from medcl.data.keyed import keyed_generator
from medcl.data.label_reader import LabelReader
from medcl.data.translation_task import EVEN_SD
from medcl.losses.cross_entropy_dice import UNLABELLED

SLICES = 4
"""Source slices that are shown."""

POOL = 64
"""Target slices among which the nearest are looked for."""

LOOKED_AT = 4 * POOL
"""Target slices that are read at most to find those."""

Floats = NDArray[np.float32]
Masks = NDArray[np.uint8]


class PanelSlices:
    """The slices, chosen when they are first asked for.

    Args:
        domains: source and target slices.
        classes: label values of the source's masks; () where masks are not used.
        seed: of the run.
    """

    def __init__(self, domains: Domains, classes: Sequence[int], seed: int) -> None:
        self._source = domains.source
        self._samples = domains.samples
        self._labels = LabelReader(self._samples, classes) if classes else None
        self._seed = seed

    @property
    def split(self) -> str:
        """Whose source slices are shown: val, or train where no validation patient has any."""
        return "val" if (self._source & (self._samples.splits == "val")).any() else "train"

    @cached_property
    def shown(self) -> list[int]:
        """Rows of the source slices, ascending: spread over images, those with masks first.

        Raises:
            BadInput: a slice or mask cannot be read.
        """
        candidates = np.flatnonzero(self._source & (self._samples.splits == self.split))
        cases = self._samples.cases[candidates]
        images = np.unique(cases)
        order = [str(images[place]) for place in self._drawn("panel images", len(images))]
        masked = set(cases[self._samples.has_labels[candidates]].tolist()) if self._labels else set()
        chosen = sorted(order, key=lambda case: case not in masked)[:SLICES]  # stable: the drawn order stays
        wanted = [len(part) for part in np.array_split(np.arange(SLICES), max(1, len(chosen)))]
        return sorted(
            row
            for case, count in zip(chosen, wanted, strict=False)
            for row in self._telling(candidates[cases == case], count, case in masked)
        )

    @cached_property
    def pool(self) -> list[int]:
        """Rows of training target slices on which something is seen; any, where all that are looked at are even.

        Raises:
            BadInput: a slice cannot be read.
        """
        candidates = np.flatnonzero(~self._source & (self._samples.splits == "train"))
        order: list[int] = candidates[self._drawn("panel pool", len(candidates))].tolist()
        seen: list[int] = []
        for row in order[:LOOKED_AT]:
            if len(seen) < POOL and not self._is_even(row):
                seen.append(row)
        return seen or order[:POOL]

    def read(self, row: int) -> Floats:
        """A slice, (Y, X)."""
        voxels = np.empty(self._samples.size, np.float32)
        self._samples.read(row, voxels)
        return np.asarray(voxels[0])

    def mask(self, row: int) -> Masks | None:
        """Class indices of a source slice, (Y, X); None without a mask."""
        if self._labels is None or not self._source[row]:
            return None
        found = np.empty(self._samples.size, np.uint8)
        self._labels.read(row, found)
        return None if (found == UNLABELLED).any() else np.asarray(found[0])

    def case(self, row: int) -> str:
        """Name of the image that a slice is of."""
        return str(self._samples.cases[row])

    def number(self, row: int) -> int:
        """Number of a slice in its image, from 0."""
        return 0 if self._samples.slices is None else int(self._samples.slices[row])

    def _telling(self, rows: NDArray[np.int64], wanted: int, masked: bool) -> list[int]:
        """So many of an image's slices, from as many parts of it: with a mask those of most classes, else the middle
        ones of those on which something is seen."""
        told = {row: self._told(row) if masked else (int(not self._is_even(row)), 0) for row in rows.tolist()}
        seen = [row for row in told if told[row][0]] or rows.tolist()
        parts = [part.tolist() for part in np.array_split(seen, min(wanted, len(seen)))]
        return [max(part, key=lambda row: told[row]) if masked else part[len(part) // 2] for part in parts]

    def _told(self, row: int) -> tuple[int, int]:
        """Classes on a slice, and pixels of any."""
        mask = self.mask(row)
        assert mask is not None
        return len(np.unique(mask[mask > 0])), int((mask > 0).sum())

    def _is_even(self, row: int) -> bool:
        return bool(self.read(row).std(dtype=np.float64) < EVEN_SD)

    def _drawn(self, purpose: str, count: int) -> NDArray[np.int64]:
        return keyed_generator(self._seed, purpose).permutation(count)
