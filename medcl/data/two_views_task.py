"""Two views of each image: what the methods that make their pairs from views share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.data.in_batch_task import cycle
from medcl.data.keyed import keyed_generator
from medcl.data.plan import Augment, BatchPlan
from medcl.data.samples import Samples
from medcl.data.spread import spread
from medcl.data.task_options import TaskOptions
from medcl.study.errors import BadInput


class TwoViewsTask:
    """Plans in which each image stands twice in a row: rows[0::2] are the first views, rows[1::2] the second.

    Args:
        samples: the images.
        options: of the task.
        method: name of the method; what is drawn is keyed by it.
        usual: images of a step unless the options say otherwise.
        asked: how the user asks for it, for messages; "--method METHOD" unless told.

    Raises:
        BadInput: fewer than two training images.
    """

    steps: int

    def __init__(self, samples: Samples, options: TaskOptions, method: str, usual: int, *, asked: str = "") -> None:
        self.options = options
        self.method = method
        self.rows = samples.rows("train")
        if len(self.rows) < 2:
            asked = asked or f"--method {method}"
            raise BadInput(f"{asked} needs two training images or more; the splits leave {len(self.rows)}.")
        self.wanted = options.batch_size or usual
        self.batch_size = min(self.wanted, len(self.rows))
        self.images = samples.images
        held_out = spread(samples.rows("val"), self.images, keyed_generator(options.seed, "validation images"))
        self.held_out = held_out[: options.validation_images]
        self.told = samples.note(self.rows)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Return the steps of an epoch (from 0)."""
        generator = keyed_generator(self.options.seed, f"{self.method} images", epoch)
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
        notes += self._own_notes()
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

    def _own_notes(self) -> list[str]:
        return []

    def _targets(self, twice: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What the method is told about the views of these rows."""
        return {}

    def _two_views(self, rows: NDArray[np.int64], first: int, augment: Augment) -> BatchPlan:
        twice = np.repeat(rows, 2)
        return BatchPlan(twice, np.arange(first, first + len(twice)), self._targets(twice), augment)
