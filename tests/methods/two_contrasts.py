"""Unpaired slices of two contrasts in memory: bodies with two organs, and others with their intensities inverted.

In each body two organs lie somewhere, a round and a long one, brighter than it and told apart by how much. The target's
slices are 1 minus what their anatomy would look like in the source, and show other anatomies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from medcl.data.loader import Batch
from medcl.data.plan import LABELLED, BatchPlan
from medcl.data.translation_task import SOURCE
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.training.distributed import own_rows

CLASSES = 3
SIDE = 32
BODY, ROUND, LONG = 0.35, 0.65, 0.9
NOISE = 0.02
BLUR = 1.0
"""Of the edges, in pixels: a generator that halves a slice twice cannot draw sharper ones soon."""


class TwoContrasts:
    """A source of batches as the loop wants it: every second slice of a batch is of the source.

    Args:
        seed: of all slices and orders.
        slices: of the source, of which the last few are not labelled; as many others of the target.
        batch: slices of the source in a batch, and of the target.
        batches: of an epoch.
        side: of a slice in pixels.
        dtype: of the volumes.
        labelled: share of the source's slices that are.
    """

    waited = 0.0

    def __init__(
        self,
        seed: int = 0,
        slices: int = 12,
        batch: int = 2,
        batches: int = 3,
        side: int = SIDE,
        dtype: torch.dtype = torch.float32,
        labelled: float = 0.75,
    ) -> None:
        self.seed, self.slices, self.size, self.count = seed, slices, batch, batches
        generator = np.random.default_rng([6, seed])
        made = [anatomy(generator, side) for _ in range(2 * slices)]
        volumes = np.stack([image if number < slices else 1 - image for number, (image, _) in enumerate(made)])
        self.volumes = torch.from_numpy(volumes)[:, None, None].to(dtype)
        self.truth = torch.from_numpy(np.stack([labels for _, labels in made]))[:, None, None]
        self.labelled = np.arange(2 * slices) < round(labelled * slices)

    def epoch(self, epoch: int) -> list[BatchPlan]:
        """Slices of source and target in orders of their own."""
        generator = np.random.default_rng([self.seed, epoch])
        wanted = self.size * self.count
        rounds = -(-wanted // self.slices)
        orders = [np.concatenate([generator.permutation(self.slices) for _ in range(rounds)]) for _ in range(2)]
        pairs = np.stack([orders[0], self.slices + orders[1]], axis=1)[:wanted]
        keys = np.arange(2 * wanted).reshape(self.count, -1)
        return [self.plan(rows.ravel(), of) for rows, of in zip(np.split(pairs, self.count), keys, strict=True)]

    def validation(self) -> list[BatchPlan]:
        """The labelled slices, as if two were one image."""
        return [self.plan(np.array(rows), np.array(rows)) for rows in ((0, 1), (2, 3))]

    def plan(self, rows: np.ndarray, keys: np.ndarray) -> BatchPlan:
        """A batch of these slices."""
        return BatchPlan(rows, keys, {SOURCE: rows < self.slices, LABELLED: self.labelled[rows]})

    def batches(
        self, plans: Sequence[BatchPlan], epoch: int, start: int = 0, *, training: bool = True
    ) -> Iterator[Batch]:
        """This process's share of each plan, or all of it in validation."""
        for plan in plans[start:]:
            yield self.batch(plan, own_rows(len(plan.rows)) if training else slice(None))

    def batch(self, plan: BatchPlan, own: slice = slice(None)) -> Batch:
        """The plan's slices as they are; those without labels are unlabelled."""
        rows = plan.rows[own]
        known = torch.from_numpy(self.labelled[rows]).view(-1, 1, 1, 1, 1)
        labels = torch.where(known, self.truth[rows], UNLABELLED)
        cases = [f"P{row:03d}" for row in plan.rows]
        return Batch(self.volumes[rows].clone(), {}, cases, plan, labels)


def anatomy(generator: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A slice (side, side) in [0, 1] of the source's contrast, and the classes of its pixels."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    image, labels = np.zeros((side, side)), np.zeros((side, side), np.int64)
    body = _ellipse(y, x, generator.uniform(-0.03, 0.03, 2), generator.uniform(0.36, 0.46, 2))
    image[body] = BODY
    left = generator.choice([-1, 1])
    for number, (value, axes) in enumerate(((ROUND, (0.14, 0.14)), (LONG, (0.2, 0.08))), start=1):
        centre = generator.uniform(-0.12, 0.12), left * generator.uniform(0.13, 0.2)
        organ = _ellipse(y, x, centre, np.array(axes) * generator.uniform(0.8, 1.1)) & body
        image[organ], labels[organ] = value, number
        left = -left
    image = gaussian_filter(image, BLUR)
    return np.clip(image + generator.normal(0, NOISE, image.shape), 0, 1), labels


def _ellipse(y: np.ndarray, x: np.ndarray, centre: Sequence[float], axes: Sequence[float]) -> np.ndarray:
    return np.asarray(((y - centre[0]) / axes[0]) ** 2 + ((x - centre[1]) / axes[1]) ** 2 < 1)


def correlation(first: Tensor, second: Tensor) -> float:
    """Pearson's over all pixels."""
    return float(np.corrcoef(first.flatten().numpy(), second.flatten().numpy())[0, 1])
