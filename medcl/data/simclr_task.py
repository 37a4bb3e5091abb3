"""Two views of each image, for the SimCLR baseline of Milecki et al. (MIDL 2022): batches of 48 images.

An epoch draws as many images as the pair tasks draw pairs, so that both make the same number of encoder
passes (ours; the paper does not tell). Validation views are drawn once for the run.

Of slices, each is an image of its own. Slices of one image repel each other where they meet in a batch, although they
are much alike, so they are kept apart as far as there are other images (ours).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medcl.data.in_batch_task import cycle
from medcl.data.keyed import keyed_generator
from medcl.data.plan import Augment, BatchPlan
from medcl.data.samples import Samples
from medcl.data.spread import spread
from medcl.data.task_options import PAPER_BATCH, TaskOptions
from medcl.study.errors import BadInput


class SimclrTask:
    """Plans in which each image stands twice in a row: rows[0::2] are the first views, rows[1::2] the second.

    Raises:
        BadInput: fewer than two training images.
    """

    def __init__(self, samples: Samples, options: TaskOptions) -> None:
        self.options = options
        self.rows = samples.rows("train")
        if len(self.rows) < 2:
            raise BadInput(f"--method simclr needs two training images or more; the splits leave {len(self.rows)}.")
        self.wanted = options.batch_size or PAPER_BATCH
        self.batch_size = min(self.wanted, len(self.rows))
        self.steps = max(1, round(options.pairs / self.batch_size))
        self.images = samples.images
        held_out = spread(samples.rows("val"), self.images, keyed_generator(options.seed, "validation images"))
        self.held_out = held_out[: options.validation_images]
        self.told = samples.note(self.rows)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        generator = keyed_generator(self.options.seed, "simclr images", epoch)
        batches = cycle(self.rows, self.batch_size, self.steps, generator, self.images)
        return [_two_views(rows, 2 * step * self.batch_size, "epoch") for step, rows in enumerate(batches)]

    def validation(self) -> list[BatchPlan]:
        """Return the validation images, each in two views that are the same in every epoch."""
        if len(self.held_out) < 2:
            return []
        batches = max(1, len(self.held_out) // self.batch_size)
        plans, first = [], 0
        for rows in np.array_split(self.held_out, batches):
            plans.append(_two_views(rows, first, "fixed"))
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
        if self.images is not None and (there := len(np.unique(self.images[self.rows]))) < self.batch_size:
            notes.append(
                f"a step takes {self.batch_size} slices of {there} images: slices of one image repel each other. Lower "
                "--batch-size if that is not wanted"
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


def _two_views(rows: np.ndarray[Any, np.dtype[np.int64]], first: int, augment: Augment) -> BatchPlan:
    return BatchPlan(np.repeat(rows, 2), np.arange(first, first + 2 * len(rows)), augment=augment)
