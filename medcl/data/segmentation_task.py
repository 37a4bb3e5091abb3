"""Labelled and unlabelled images side by side, for semi-supervised segmentation (Basak et al., ICASSP 2023).

Each step holds so many labelled and so many unlabelled images, spread evenly over the batch: of the contiguous shares
that ranks make, each has its part of both. Each kind is used evenly: every image before one is used again. Only images
of training patients are drawn; validation is on the labelled images of validation patients, whole and as stored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.in_batch_task import cycle
from medcl.data.keyed import keyed_generator
from medcl.data.plan import LABELLED, BatchPlan
from medcl.data.samples import Samples
from medcl.data.segmentation_options import SLICE_BATCH, VOLUME_BATCH, SegmentationTaskOptions
from medcl.data.spread import spread
from medcl.study.errors import BadInput
from medcl.study.plural import counted

Ints = NDArray[np.int64]


class SegmentationTask:
    """Plans whose target "labelled", (M,) bool, tells the images whose masks may be used.

    Args:
        samples: the images.
        patients: training patients whose masks are used.
        options: of the task.

    Raises:
        BadInput: nobody is labelled, or one who does not train.
    """

    def __init__(self, samples: Samples, patients: Collection[str], options: SegmentationTaskOptions) -> None:
        self.options = options
        self.patients = sorted(patients)
        self.batch_size = options.batch_size or (SLICE_BATCH if samples.size[0] == 1 else VOLUME_BATCH)
        self.rows = samples.rows("train")
        strangers = sorted(set(self.patients) - set(samples.patients[self.rows].tolist()))
        if strangers:
            raise BadInput(f"only training patients may be labelled, and these do not train: {', '.join(strangers)}.")
        theirs = np.isin(samples.patients[self.rows], self.patients)
        self.labelled = self.rows[theirs & samples.has_labels[self.rows]]
        if not len(self.labelled):
            raise BadInput("no labelled patient: no image of the chosen training patients has a mask.")
        self.unlabelled = self._unlabelled(theirs)
        self.steps = options.steps or math.ceil(len(self.rows) / self.batch_size)
        self.empty = _empty(samples, self.labelled) if options.empty_share < 1 else self.labelled[:0]
        self.images = samples.images
        held_out = np.flatnonzero((samples.splits == "val") & samples.has_labels)
        codes = samples.image_codes()
        order = keyed_generator(options.seed, "validation images").permutation(np.unique(codes[held_out]))
        self.held_out = [held_out[codes[held_out] == code] for code in np.sort(order[: options.validation_images])]

    @property
    def labelled_images(self) -> int:
        """Labelled images of a step."""
        if not len(self.unlabelled):
            return self.batch_size
        wanted = math.floor(self.batch_size * self.options.labelled_share + 0.5)
        return min(max(1, wanted), self.batch_size - 1)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        seed, size = self.options.seed, self.batch_size
        known = interleaved(size, self.labelled_images)
        of_labelled, of_unlabelled = (
            _evenly(rows, int(which.sum()), self.steps, keyed_generator(seed, purpose, epoch), self.images)
            for rows, which, purpose in (
                (self._labelled_of(epoch), known, "labelled images"),
                (self.unlabelled, ~known, "unlabelled images"),
            )
        )
        plans = []
        for step, (labelled, unlabelled) in enumerate(zip(of_labelled, of_unlabelled, strict=True)):
            rows = np.empty(size, np.int64)
            rows[known], rows[~known] = labelled, unlabelled
            plans.append(BatchPlan(rows, np.arange(step * size, (step + 1) * size), {LABELLED: known}))
        return plans

    def validation(self) -> list[BatchPlan]:
        """Return a batch for each labelled image of validation patients, with all its slices, as it is stored."""
        return [
            BatchPlan(rows, np.arange(len(rows)), {LABELLED: np.ones(len(rows), bool)}, augment="none")
            for rows in self.held_out
        ]

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        labelled = counted(len(self.labelled), "labelled image") + " of " + counted(len(self.patients), "patient")
        if self.options.supervised:
            notes = [f"Trains on {labelled}."]
        elif len(self.unlabelled):
            notes = [f"Trains on {labelled} and on {counted(len(self.unlabelled), 'unlabelled image')}."]
        else:
            notes = [f"Trains on {labelled}: no training image is left to be unlabelled."]
        if len(self.empty):
            kept = counted(self._empty_kept, "labelled slice")
            notes.append(f"Of {len(self.empty)} labelled slices without any class an epoch uses {kept}.")
        if not len(self.held_out):
            notes.append("No image of a validation patient has a mask: the run is not validated.")
        return notes

    def describe(self) -> dict[str, Any]:
        """Return counts for the user and for the run's record."""
        return {
            "sampling": "labelled images" if not len(self.unlabelled) else "labelled and unlabelled images",
            "labelled_patients": self.patients,
            "training_images": len(self.rows),
            "labelled_images": len(self.labelled),
            "unlabelled_images": len(self.unlabelled),
            "batch_size": self.batch_size,
            "labelled_in_batch": self.labelled_images,
            "steps": self.steps,
            "validation": {"images": len(self.held_out)},
        }

    @property
    def _empty_kept(self) -> int:
        """How many of the labelled slices without a class an epoch uses; one where there are no others."""
        kept = math.floor(len(self.empty) * self.options.empty_share + 0.5)
        return max(kept, int(len(self.empty) == len(self.labelled)))

    def _unlabelled(self, theirs: NDArray[np.bool_]) -> Ints:
        if self.options.supervised:
            return self.rows[:0]
        return self.rows if self.options.unlabelled_from == "all" else self.rows[~theirs]

    def _labelled_of(self, epoch: int) -> Ints:
        if not len(self.empty):
            return self.labelled
        order = keyed_generator(self.options.seed, "empty slices", epoch).permutation(self.empty)
        return np.concatenate([np.setdiff1d(self.labelled, self.empty), order[: self._empty_kept]])


def interleaved(total: int, some: int) -> NDArray[np.bool_]:
    """Return (total,) with `some` True ones, so even that shares of equal length differ by one at most."""
    steps = np.arange(total + 1) * some // max(1, total)
    return np.diff(steps).astype(bool)


def _evenly(rows: Ints, size: int, steps: int, generator: np.random.Generator, images: Ints | None) -> Iterator[Ints]:
    """Yield batches in which each row is used before one is used again; twice in a batch only if it must."""
    if size <= len(rows):
        yield from cycle(rows, size, steps, generator, images)
        return
    rounds = math.ceil(size * steps / len(rows))
    order = np.concatenate([spread(rows, images, generator) for _ in range(rounds)])
    yield from order[: size * steps].reshape(steps, size)


def _empty(samples: Samples, rows: Ints) -> Ints:
    """Those of the rows whose label maps hold background only."""
    values = np.empty(samples.size, np.uint16)
    return np.array([row for row in rows if samples.read_labels(int(row), values) and not values.any()], np.int64)
