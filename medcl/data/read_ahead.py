"""Reading stored volumes in the background, so that the device does not wait for the disk.

One thread fills buffers, several help it with the volumes of a batch (copying float16 into float32 releases
Python's lock). The buffers are reused: memory is that of a few batches, however many exams the store holds.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from types import TracebackType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.label_reader import LabelReader
from medcl.data.samples import Samples

Ints = NDArray[np.int64]


class Read(NamedTuple):
    """What was read for a batch of K images.

    Attributes:
        volumes: (K, 1, D, H, W) float32.
        labels: (K, 1, D, H, W) uint8 class indices; None where no labels were asked for.
    """

    volumes: Tensor
    labels: Tensor | None

    def first(self, count: int) -> Read:
        """The first `count` images, in the same memory."""
        return Read(self.volumes[:count], None if self.labels is None else self.labels[:count])


class ReadAhead:
    """Iterates over batches, read while the caller works on earlier ones.

    The memory of a batch belongs to the reader: the caller gives it back with `release` when it has been copied. Use
    as a context manager: leaving it stops the threads, also after an error or before the last batch. An error of
    reading is raised where the batch was asked for.

    Args:
        samples: the images.
        batches: rows of each batch.
        workers: threads that read.
        depth: batches that may lie ready.
        pin: use page-locked memory, from which a GPU copies without waiting.
        labels: reads the label maps along with the images; None leaves them out.
    """

    def __init__(
        self,
        samples: Samples,
        batches: Sequence[Ints],
        *,
        workers: int,
        depth: int,
        pin: bool,
        labels: LabelReader | None = None,
    ) -> None:
        self.waited = 0.0
        self._samples, self._batches, self._workers = samples, batches, workers
        self._labels = labels
        self._lent: Read | None = None
        self._stop = threading.Event()
        self._ready: queue.SimpleQueue[Read | BaseException] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[tuple[Read, torch.cuda.Event | None] | None] = queue.SimpleQueue()
        most = max((len(rows) for rows in batches), default=0)
        for _ in range(min(depth + 1, len(batches))):
            shape = (most, 1, *samples.size)
            volumes = torch.empty(shape, pin_memory=pin)
            indices = None if labels is None else torch.empty(shape, dtype=torch.uint8, pin_memory=pin)
            self._free.put((Read(volumes, indices), None))
        self._thread = threading.Thread(target=self._run, name="medcl-read-ahead", daemon=True)

    def __enter__(self) -> ReadAhead:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._free.put(None)
        self._thread.join()

    def __iter__(self) -> Iterator[Read]:
        for rows in self._batches:
            began = time.perf_counter()
            buffer = self._ready.get()
            self.waited += time.perf_counter() - began
            if isinstance(buffer, BaseException):
                raise buffer
            self._lent = buffer
            yield buffer.first(len(rows))

    def release(self, copied: torch.cuda.Event | None = None) -> None:
        """Give the last batch's memory back, to be overwritten once `copied` has happened (at once, if None)."""
        if self._lent is not None:
            self._free.put((self._lent, copied))
        self._lent = None

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(self._workers) as pool:
                for rows in self._batches:
                    taken = self._free.get()
                    if taken is None or self._stop.is_set():
                        return
                    buffer, copied = taken
                    if copied is not None:
                        copied.synchronize()
                    for _ in pool.map(self._read, rows.tolist(), range(len(rows)), repeat(buffer)):
                        pass  # raises what a worker raised
                    self._ready.put(buffer)
        except BaseException as error:  # whatever it is belongs to the caller, who would wait for ever
            self._ready.put(error)

    def _read(self, row: int, place: int, buffer: Read) -> None:
        if self._stop.is_set():
            return
        self._samples.read(row, buffer.volumes[place, 0].numpy())
        if self._labels is not None and buffer.labels is not None:
            self._labels.read(row, buffer.labels[place, 0].numpy())
