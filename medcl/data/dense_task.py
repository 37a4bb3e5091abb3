"""Two views of each image for dense contrastive pretraining (Basak et al., ICASSP 2023), with what tells negatives.

Positives are cells of the two views of one image; negatives are cells of other images. So each view carries the number
of its image, by which own cells are left out, and where its slice lies in the volume: slices at about the same relative
position show the same anatomy (Zeng et al., MICCAI 2021) and can be left out of the negatives. Slices of one volume are
kept apart in batches, as far as there are other volumes (ours). Only images of training patients are drawn; the views
of the validation are drawn once for the run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.in_batch_task import cycle
from medcl.data.keyed import keyed_generator
from medcl.data.plan import Augment, BatchPlan
from medcl.data.samples import Samples
from medcl.data.spread import spread
from medcl.data.task_options import DENSE_BATCH, TaskOptions
from medcl.study.errors import BadInput

Ints = NDArray[np.int64]


class DenseTask:
    """Plans in which each image stands twice in a row: rows[0::2] are the first views, rows[1::2] the second.

    Targets, (M,) of the M views: "image" and "patient" are numbers that tell them apart, "position" is where a slice
    lies in its volume, from 0 to 1, and NaN (as far from all others as can be) of volumes.

    Raises:
        BadInput: fewer than two training images.
    """

    def __init__(self, samples: Samples, options: TaskOptions) -> None:
        self.options = options
        self.rows = samples.rows("train")
        if len(self.rows) < 2:
            raise BadInput(f"--method dense needs two training images or more; the splits leave {len(self.rows)}.")
        self.wanted = options.batch_size or DENSE_BATCH
        self.batch_size = min(self.wanted, len(self.rows))
        self.steps = math.ceil((options.dense_images or len(self.rows)) / self.batch_size)
        self.images = samples.images
        held_out = spread(samples.rows("val"), self.images, keyed_generator(options.seed, "validation images"))
        self.held_out = held_out[: options.validation_images]
        self.told = samples.note(self.rows)
        self._patients = samples.patient_codes()
        positions = samples.positions if samples.slices is not None else np.full(len(samples), np.nan)
        self._positions = positions.astype(np.float32)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        generator = keyed_generator(self.options.seed, "dense images", epoch)
        batches = cycle(self.rows, self.batch_size, self.steps, generator, self.images)
        return [self._two_views(rows, 2 * step * self.batch_size, "epoch") for step, rows in enumerate(batches)]

    def validation(self) -> list[BatchPlan]:
        """Return the validation images, each in two views that are the same in every epoch."""
        if len(self.held_out) < 2:
            return []
        plans, first = [], 0
        for rows in np.array_split(self.held_out, max(1, len(self.held_out) // self.batch_size)):
            plans.append(self._two_views(rows, first, "fixed"))
            first += 2 * len(rows)
        return plans

    @property
    def notes(self) -> list[str]:
        """What the user should know."""
        notes = list(self.told)
        if self.batch_size < self.wanted:
            notes.append(
                f"a step takes {self.wanted} images, but there are {len(self.rows)} training images: "
                "every step sees all of them"
            )
        if len(self.held_out) < 2:
            notes.append("fewer than two images of validation patients: the run is not validated")
        return notes

    def describe(self) -> dict[str, Any]:
        """Return counts for the user and for the run's record."""
        return {
            "sampling": "two views of each image",
            "training_images": len(self.rows),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "validation": {"images": len(self.held_out)},
        }

    def _two_views(self, rows: Ints, first: int, augment: Augment) -> BatchPlan:
        twice = np.repeat(rows, 2)
        targets: dict[str, NDArray[Any]] = {
            "image": twice,
            "patient": self._patients[twice],
            "position": self._positions[twice],
        }
        return BatchPlan(twice, np.arange(first, first + len(twice)), targets, augment)
