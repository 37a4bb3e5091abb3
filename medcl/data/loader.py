"""From plans to batches on the device: read ahead, copied, augmented there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.augment import Augmentation, apply, draw
from medcl.data.plan import BatchPlan
from medcl.data.read_ahead import ReadAhead
from medcl.data.samples import Samples
from medcl.data.stopwatch import Stopwatch
from medcl.data.to_device import to_device

Ints = NDArray[np.int64]

FIXED_EPOCH = -1
"""The epoch that keys views which are the same through the whole run."""

BYTES_STORED = 2
"""A stored voxel is a float16."""


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
    """

    volumes: Tensor
    targets: dict[str, Tensor]
    cases: list[str]
    plan: BatchPlan


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
            on the device and read once.
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
        self._bytes = len(self._rows) * int(np.prod(samples.size)) * BYTES_STORED
        self._cacheable = self._bytes <= cache_bytes
        self._cache: Tensor | None = None

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
            self.samples, [rows for rows, _ in reads], workers=self.workers, depth=self.prefetch, pin=pin
        )
        with reader:
            before = self.waited
            for plan, (_, places), read in zip(plans, reads, reader, strict=True):
                self.waited = before + reader.waited
                volumes, copied = self._on_device(read, places)
                reader.release(copied)
                yield self._batch(plan, volumes, epoch, augment, part)

    def _on_device(self, read: Tensor, places: Ints | None) -> tuple[Tensor, torch.cuda.Event | None]:
        """Copy a batch out of the reader's memory; on a CUDA device, with the event after which that is done."""
        index = None if places is None else torch.from_numpy(places)
        if self.device.type == "cpu":
            return read.clone() if index is None else read[index], None
        volumes = read.to(self.device, non_blocking=True)
        copied = torch.cuda.current_stream().record_event() if self.device.type == "cuda" else None
        return volumes if index is None else volumes[to_device(index, self.device)], copied

    def _batch(self, plan: BatchPlan, volumes: Tensor, epoch: int, augment: bool, part: Part) -> Batch:
        own = part(len(plan.rows))
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
                volumes = apply(volumes, draws)
        targets = {name: to_device(torch.from_numpy(values), self.device) for name, values in plan.targets.items()}
        return Batch(volumes, targets, [str(case) for case in self.samples.cases[plan.rows]], plan)

    def _cached(self, rows: Ints) -> Tensor:
        """Volumes from the device's memory, which the first call fills."""
        if self._cache is None:
            cache = torch.empty((len(self._rows), 1, *self.samples.size), dtype=torch.float16, device=self.device)
            singles = [np.array([row]) for row in self._rows]
            with ReadAhead(
                self.samples, singles, workers=1, depth=self.prefetch, pin=self.device.type == "cuda"
            ) as reader:
                for place, read in enumerate(reader):
                    cache[place : place + 1].copy_(read)
                    reader.release()
                self.waited += reader.waited
            self._cache = cache
        places = torch.from_numpy(np.searchsorted(self._rows, rows))
        return self._cache[to_device(places, self.device)].float()


def _distinct(rows: Ints) -> tuple[Ints, Ints | None]:
    """The rows to read, each once, and where each image of the batch then lies (None: in the same order)."""
    distinct, places = np.unique(rows, return_inverse=True)
    return (rows, None) if len(distinct) == len(rows) else (distinct, places)
