"""Source and target slices side by side, for unpaired translation (Park et al., ECCV 2020; Zeng et al., 2023).

Nothing pairs a source slice with a target slice: each side has an order of its own, in which every slice is used before
one is used again and slices of one image stand apart. They alternate in a batch, so that of the contiguous shares that
ranks make, each has as many of both wherever the number of ranks divides the batch size. Slices on which nothing is
seen teach little of organs, and there are many at the ends of a volume: an epoch uses some of them (ours). Only slices
of training patients are drawn, and masks of target images are never shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.domains import Domains
from medcl.data.in_batch_task import cycle
from medcl.data.keyed import keyed_generator
from medcl.data.plan import LABELLED, BatchPlan
from medcl.data.samples import Samples
from medcl.data.spread import spread
from medcl.data.translation_options import TranslationTaskOptions
from medcl.study.errors import BadInput
from medcl.study.plural import counted

Ints = NDArray[np.int64]

SOURCE = "source"
"""The target, (M,) bool, that tells slices of the source from those of the target."""

EVEN_SD = 0.02
"""A slice without a mask whose intensities, in [0, 1], have a standard deviation below this shows nothing (ours)."""


class TranslationTask:
    """Plans of as many source as target slices, rows[0::2] of the source and rows[1::2] of the target.

    Targets: "source", (M,) bool, and "labelled", (M,) bool, the source slices that have a mask.

    Args:
        domains: slices of both.
        options: of the task.

    Raises:
        BadInput: no slice of the source, or of the target, belongs to a training patient, or a file cannot be read.
    """

    def __init__(self, domains: Domains, options: TranslationTaskOptions) -> None:
        self.options = options
        self.batch_size = options.batch_size
        samples = domains.samples
        self.masked = domains.source & samples.has_labels
        self.images = samples.images
        training = samples.splits == "train"
        self.source = self._side(samples, "source", training & domains.source)
        self.target = self._side(samples, "target", training & ~domains.source)
        most = max(self.source.used, self.target.used)
        self.steps = options.steps or math.ceil(most / self.batch_size)
        self.held_out = self._held_out(samples, domains.source)

    @property
    def labelled_slices(self) -> int:
        """Training slices of the source that have a mask."""
        return int(self.masked[self.source.rows].sum())

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        of_source, of_target = (self._batches(side, epoch) for side in (self.source, self.target))
        plans = []
        for step, (source, target) in enumerate(zip(of_source, of_target, strict=True)):
            rows = np.stack([source, target], axis=1).ravel()
            is_source = np.arange(len(rows)) % 2 == 0
            keys = np.arange(step * len(rows), (step + 1) * len(rows))
            plans.append(BatchPlan(rows, keys, {SOURCE: is_source, LABELLED: is_source & self.masked[rows]}))
        return plans

    def validation(self) -> list[BatchPlan]:
        """Return a batch for each source image of validation patients, with all its slices, as it is stored.

        Where some of those images have masks, they alone are used.
        """
        return [
            BatchPlan(
                rows,
                np.arange(len(rows)),
                {SOURCE: np.ones(len(rows), bool), LABELLED: self.masked[rows]},
                augment="none",
            )
            for rows in self.held_out
        ]

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        masks = f"{self.labelled_slices:,} of them with a mask" if self.labelled_slices else "none with a mask"
        notes = [
            f"Trains on {counted(len(self.source.rows), 'source slice')} ({masks}) and on "
            f"{counted(len(self.target.rows), 'target slice')}."
        ]
        notes += [
            f"Of {counted(len(side.empty), f'{side.name} slice')} on which nothing is seen an epoch uses {side.kept:,}."
            for side in (self.source, self.target)
            if len(side.empty)
        ]
        if not self.held_out:
            notes.append("No image of the source is of a validation patient: the run is not validated.")
        return notes

    def describe(self) -> dict[str, Any]:
        """Return counts for the user and for the run's record."""
        return {
            "sampling": "source and target slices, unpaired",
            "source_slices": len(self.source.rows),
            "target_slices": len(self.target.rows),
            "labelled_slices": self.labelled_slices,
            "empty_source_slices": len(self.source.empty),
            "empty_target_slices": len(self.target.empty),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "validation": {"images": len(self.held_out)},
        }

    def _side(self, samples: Samples, name: str, training: NDArray[np.bool_]) -> _Side:
        rows = np.flatnonzero(training)
        if not len(rows):
            raise BadInput(
                f"no image of the {name} belongs to a training patient: choose others with --{name}, or change the "
                "split of the patients (--splits)."
            )
        share = self.options.empty_share
        empty = rows[_nothing_seen(samples, rows, self.masked)] if share < 1 else rows[:0]
        return _Side(name, rows, empty, share)

    def _batches(self, side: _Side, epoch: int) -> Iterator[Ints]:
        """Full batches of a side; a slice stands in one several times only if there are fewer slices than places."""
        seed = self.options.seed
        rows = side.of_epoch(epoch, spread(side.empty, self.images, keyed_generator(seed, f"empty {side.name} slices")))
        generator = keyed_generator(seed, f"{side.name} slices", epoch)
        times, rest = divmod(self.batch_size, len(rows))
        for some in cycle(rows, rest, self.steps, generator, self.images):
            yield np.concatenate([*(spread(rows, self.images, generator) for _ in range(times)), some])

    def _held_out(self, samples: Samples, source: NDArray[np.bool_]) -> list[Ints]:
        """The rows of each source image to validate on."""
        rows = np.flatnonzero((samples.splits == "val") & source)
        if self.masked[rows].any():
            rows = rows[self.masked[rows]]
        codes = samples.image_codes()[rows]
        return [rows[codes == code] for code in np.unique(codes)]


@dataclass(frozen=True, eq=False)
class _Side:
    """The training slices of the source or of the target.

    Attributes:
        name: "source" or "target".
        rows: all of them, at least one.
        empty: those on which nothing is seen.
        share: of the empty ones, so many are used in an epoch.
    """

    name: str
    rows: Ints
    empty: Ints
    share: float

    @property
    def kept(self) -> int:
        """How many empty slices an epoch uses: all, where there are no others."""
        if len(self.empty) == len(self.rows):
            return len(self.empty)
        return math.floor(len(self.empty) * self.share + 0.5)

    @property
    def used(self) -> int:
        """How many slices an epoch uses."""
        return len(self.rows) - len(self.empty) + self.kept

    def of_epoch(self, epoch: int, empty: Ints) -> Ints:
        """The slices that an epoch uses; it goes on in the order `empty` where the epoch before it stopped."""
        turn = np.arange(epoch * self.kept, (epoch + 1) * self.kept)
        return np.concatenate([np.setdiff1d(self.rows, self.empty), empty.take(turn, mode="wrap")])


def _nothing_seen(samples: Samples, rows: Ints, masked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the rows show nothing, (n,): by the mask, where it may be seen, and else by the intensities."""
    voxels, values = np.empty(samples.size, np.float32), np.empty(samples.size, np.uint16)
    found = np.zeros(len(rows), bool)
    for place, row in enumerate(rows.tolist()):
        if masked[row]:
            samples.read_labels(row, values)
            found[place] = not values.any()
        else:
            samples.read(row, voxels)
            found[place] = voxels.std(dtype=np.float64) < EVEN_SD
    return found
