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
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.samples import Samples

Ints = NDArray[np.int64]


class ReadAhead:
    """Iterates over batches of volumes (K, 1, D, H, W) float32, read while the caller works on earlier ones.

    A volume belongs to the reader: the caller gives it back with `release` when it has been copied. Use as a
    context manager: leaving it stops the threads, also after an error or before the last batch. An error of
    reading is raised where the batch was asked for.

    Args:
        samples: the images.
        batches: rows of each batch.
        workers: threads that read.
        depth: batches that may lie ready.
        pin: use page-locked memory, from which a GPU copies without waiting.
    """

    def __init__(self, samples: Samples, batches: Sequence[Ints], *, workers: int, depth: int, pin: bool) -> None:
        self.waited = 0.0
        self._samples, self._batches, self._workers = samples, batches, workers
        self._lent: Tensor | None = None
        self._stop = threading.Event()
        self._ready: queue.SimpleQueue[Tensor | BaseException] = queue.SimpleQueue()
        self._free: queue.SimpleQueue[tuple[Tensor, torch.cuda.Event | None] | None] = queue.SimpleQueue()
        most = max((len(rows) for rows in batches), default=0)
        for _ in range(min(depth + 1, len(batches))):
            self._free.put((torch.empty((most, 1, *samples.size), pin_memory=pin), None))
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

    def __iter__(self) -> Iterator[Tensor]:
        for rows in self._batches:
            began = time.perf_counter()
            buffer = self._ready.get()
            self.waited += time.perf_counter() - began
            if isinstance(buffer, BaseException):
                raise buffer
            self._lent = buffer
            yield buffer[: len(rows)]

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
                    places = buffer.numpy()[:, 0]
                    for _ in pool.map(self._read, rows.tolist(), places[: len(rows)]):
                        pass  # raises what a worker raised
                    self._ready.put(buffer)
        except BaseException as error:  # whatever it is belongs to the caller, who would wait for ever
            self._ready.put(error)

    def _read(self, row: int, out: NDArray[np.float32]) -> None:
        if not self._stop.is_set():
            self._samples.store.read(self._samples.entries[row], out)
