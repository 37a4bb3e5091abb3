"""From plans to batches on the device: read ahead, copied, augmented there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.augment import Augmentation, apply_with_labels, draw
from medcl.data.label_reader import LabelReader
from medcl.data.plan import LABELLED, BatchPlan
from medcl.data.read_ahead import Read, ReadAhead
from medcl.data.samples import Samples
from medcl.data.stopwatch import Stopwatch
from medcl.data.to_device import to_device
from medcl.data.views import unmoved
from medcl.losses.cross_entropy_dice import UNLABELLED

Ints = NDArray[np.int64]

FIXED_EPOCH = -1
"""The epoch that keys views which are the same through the whole run."""

BYTES_STORED = 2
"""A stored voxel is a float16."""

LABEL_BYTES = 1
"""The class index of a voxel is a byte."""


Part = Callable[[int], slice]
"""Which images of a batch of so many a process makes."""


def whole(total: int) -> slice:
    """Return all of a batch of `total` images: the part of a process that trains alone."""
    return slice(0, total)


@dataclass(frozen=True, eq=False)
class Batch:
    """What a method gets: the volumes of its process, and everything else of the whole batch.

    Attributes:
        volumes: (m, 1, D, H, W) float32 on the device, this process's share of the plan's M images.
        targets: the plan's targets on the device.
        cases: (M,) names of the images.
        plan: what it was made from, on the host: asking it costs no wait for the device.
        labels: (m, 1, D, H, W) int64 class indices in the same views as the volumes, UNLABELLED everywhere in images
            without a mask and in those whose mask the plan hides; None when the loader was not asked for labels.
        views: (m, 3, 4) float64 on the CPU: the place in the stored image of each point (x, y, z, 1) of the view, in
            the normalised coordinates of `affine_grid(align_corners=False)`. None in batches that no loader made.
    """

    volumes: Tensor
    targets: dict[str, Tensor]
    cases: list[str]
    plan: BatchPlan
    labels: Tensor | None = None
    views: Tensor | None = None


class Loader:
    """Makes batches; what it makes depends on the seed, the epoch and the plan, not on what was made before.

    Args:
        samples: the images.
        augmentation: what may happen to an image; None leaves all as stored.
        seed: of the augmentation.
        device: where batches are wanted.
        workers: threads that read.
        prefetch: batches that may lie ready.
        cache_bytes: when all training and validation images fit into so many bytes as float16, they are kept
            on the device and read once; with labels, a byte more a voxel.
        classes: label values of the classes, in the order of their indices 1, 2, ...; None reads no labels.
    """

    def __init__(
        self,
        samples: Samples,
        augmentation: Augmentation | None,
        seed: int,
        device: torch.device,
        *,
        workers: int = 2,
        prefetch: int = 2,
        cache_bytes: int = 0,
        classes: Sequence[int] | None = None,
    ) -> None:
        self.samples = samples
        self.augmentation = augmentation
        self.seed = seed
        self.device = device
        self.workers = workers
        self.prefetch = prefetch
        self.waited = 0.0
        self._augmenting = Stopwatch(device)
        self._spacings = samples.spacings()
        self._rows = np.flatnonzero(np.isin(samples.splits, ["train", "val"]))
        self._labels = None if classes is None else LabelReader(samples, classes)
        self._masked = samples.has_labels if classes is not None else np.zeros(len(samples), bool)
        voxel = BYTES_STORED + (0 if classes is None else LABEL_BYTES)
        self._bytes = len(self._rows) * int(np.prod(samples.size)) * voxel
        self._cacheable = self._bytes <= cache_bytes
        self._cache: Read | None = None

    @property
    def cached_bytes(self) -> int:
        """Bytes of the device's memory that are taken for the images from the first batch on."""
        return self._bytes if self._cacheable else 0

    @property
    def augmented(self) -> float:
        """Seconds that augmentation has taken on the device."""
        return self._augmenting.seconds

    def batches(
        self,
        plans: Sequence[BatchPlan],
        epoch: int,
        start: int = 0,
        *,
        augment: bool = True,
        part: Part = whole,
    ) -> Iterator[Batch]:
        """Yield a batch for each plan from `start` on.

        Args:
            plans: of the epoch or of the validation.
            epoch: keys the augmentation of plans that are augmented by epoch.
            start: how many plans to leave out at the beginning (a resumed epoch).
            augment: False leaves images as stored, except in plans whose views are fixed for the run.
            part: which of a plan's images are read.
        """
        plans = plans[start:]
        if self._cacheable:
            for plan in plans:
                yield self._batch(plan, self._cached(plan.rows[part(len(plan.rows))]), epoch, augment, part)
            return
        reads = [_distinct(plan.rows[part(len(plan.rows))]) for plan in plans]
        pin = self.device.type == "cuda"
        reader = ReadAhead(
            self.samples,
            [rows for rows, _ in reads],
            workers=self.workers,
            depth=self.prefetch,
            pin=pin,
            labels=self._labels,
        )
        with reader:
            before = self.waited
            for plan, (_, places), read in zip(plans, reads, reader, strict=True):
                self.waited = before + reader.waited
                copy, copied = self._on_device(read, places)
                reader.release(copied)
                yield self._batch(plan, copy, epoch, augment, part)

    def _on_device(self, read: Read, places: Ints | None) -> tuple[Read, torch.cuda.Event | None]:
        """Copy a batch out of the reader's memory; on a CUDA device, with the event after which that is done."""
        index = None if places is None else torch.from_numpy(places)
        if self.device.type == "cpu":
            return _each(read, lambda part: part.clone() if index is None else part[index]), None
        copy = _each(read, lambda part: part.to(self.device, non_blocking=True))
        copied = torch.cuda.current_stream().record_event() if self.device.type == "cuda" else None
        if index is None:
            return copy, copied
        where = to_device(index, self.device)
        return _each(copy, lambda part: part[where]), copied

    def _batch(self, plan: BatchPlan, read: Read, epoch: int, augment: bool, part: Part) -> Batch:
        own = part(len(plan.rows))
        volumes, labels = read
        views = unmoved(len(volumes))
        fixed = plan.augment == "fixed"
        if self.augmentation is not None and (fixed or (augment and plan.augment == "epoch")):
            with self._augmenting.measure():
                draws = draw(
                    self.seed,
                    FIXED_EPOCH if fixed else epoch,
                    plan.keys[own],
                    self.augmentation,
                    self._spacings[plan.rows[own]],
                )
                volumes, labels, views = apply_with_labels(volumes, labels, draws)
        if labels is not None:
            labels = self._hide(labels.long(), plan, own)
        targets = {name: to_device(torch.from_numpy(values), self.device) for name, values in plan.targets.items()}
        cases = [str(case) for case in self.samples.cases[plan.rows]]
        return Batch(volumes, targets, cases, plan, labels, views)

    def _hide(self, labels: Tensor, plan: BatchPlan, own: slice) -> Tensor:
        """Make images without a mask, and those that the plan hides, unlabelled in their whole view."""
        known = self._masked[plan.rows[own]]
        if LABELLED in plan.targets:
            known = known & plan.targets[LABELLED][own]
        hidden = torch.from_numpy(np.flatnonzero(~known))
        return labels.index_fill_(0, to_device(hidden, self.device), UNLABELLED)

    def _cached(self, rows: Ints) -> Read:
        """Images from the device's memory, which the first call fills."""
        if self._cache is None:
            self._cache = self._fill_cache()
        where = to_device(torch.from_numpy(np.searchsorted(self._rows, rows)), self.device)
        volumes, labels = _each(self._cache, lambda part: part[where])
        return Read(volumes.float(), labels)

    def _fill_cache(self) -> Read:
        shape = (len(self._rows), 1, *self.samples.size)
        cache = Read(
            torch.empty(shape, dtype=torch.float16, device=self.device),
            None if self._labels is None else torch.empty(shape, dtype=torch.uint8, device=self.device),
        )
        singles = [np.array([row]) for row in self._rows]
        pin = self.device.type == "cuda"
        with ReadAhead(self.samples, singles, workers=1, depth=self.prefetch, pin=pin, labels=self._labels) as reader:
            for place, read in enumerate(reader):
                for kept, found in zip(cache, read, strict=True):
                    if kept is not None and found is not None:
                        kept[place : place + 1].copy_(found)
                reader.release()
            self.waited += reader.waited
        return cache


def _each(read: Read, change: Callable[[Tensor], Tensor]) -> Read:
    """The same for volumes and, where there are such, labels."""
    return Read(change(read.volumes), None if read.labels is None else change(read.labels))


def _distinct(rows: Ints) -> tuple[Ints, Ints | None]:
    """The rows to read, each once, and where each image of the batch then lies (None: in the same order)."""
    distinct, places = np.unique(rows, return_inverse=True)
    return (rows, None) if len(distinct) == len(rows) else (distinct, places)
