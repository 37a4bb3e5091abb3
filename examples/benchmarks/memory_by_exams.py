"""Does the memory of reading and pairing grow with the number of exams?

For cohorts of 10^2 to 10^5 exams: the peak memory of a process of its own that plans an epoch of in-batch pairs and
reads and augments some batches of it. All cohorts share the same few volume files, so that the disk holds them.

Usage: python examples/benchmarks/memory_by_exams.py [--exams 100 1000 10000 100000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medcl.data.augment import Augmentation
from medcl.data.loader import Loader
from medcl.data.samples import Samples
from medcl.data.task_options import TaskOptions
from medcl.data.tasks import build_task

SIZE = (24, 32, 32)
FILES = 64
BATCHES = 5


@dataclass(frozen=True)
class Entry:
    """One exam; many share a file."""

    case: str
    patient: str
    file: Path
    exam: str = "D15"
    sequence: str = ""
    shape: tuple[int, int, int] = SIZE
    spacing: tuple[float, float, float] = (4.0, 4.0, 4.0)


class Store:
    """Reads volumes by memory map, as the volume store does."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def read(self, entry: Entry, out: np.ndarray | None = None) -> np.ndarray:
        """Copy a volume into `out`."""
        stored = np.load(entry.file, mmap_mode="r")
        out = np.empty(SIZE, np.float32) if out is None else out
        out[...] = stored
        return out


def main() -> None:
    """Print peak memory and seconds for each number of exams."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exams", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    words = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print("| exams | peak memory (MiB) | planning (s) |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(FILES):
            np.save(Path(folder) / f"{number}.npy", np.random.default_rng(number).random(SIZE).astype(np.float16))
        for exams in words.exams:
            with context.Pool(1) as pool:
                memory, seconds = pool.apply(measure, (Path(folder), exams))
            print(f"| {exams:,} | {memory:.0f} | {seconds:.2f} |")


def measure(folder: Path, exams: int) -> tuple[float, float]:
    """Plan an epoch and make some batches; peak memory of this process in MiB, and seconds of planning."""
    entries = [Entry(f"P{n // 4}_{n % 4}", f"P{n // 4}", folder / f"{n % FILES}.npy") for n in range(exams)]
    texts: dict[str, Any] = {
        "cases": np.array([entry.case for entry in entries]),
        "patients": np.array([entry.patient for entry in entries]),
        "exams": np.full(exams, "D15"),
        "sequences": np.full(exams, ""),
        "splits": np.full(exams, "train"),
    }
    values = np.random.default_rng(0).gamma(6, 9, exams)
    samples = Samples(
        Store(entries), entries, **texts, values=values, classes=None, variable="gfr", label="", size=SIZE
    )
    started = time.perf_counter()
    task = build_task("variable", "in-batch", samples, TaskOptions(batch_size=48))
    plans = task.epoch(0)[:BATCHES]
    seconds = time.perf_counter() - started
    loader = Loader(samples, Augmentation(), 0, torch.device("cpu"))
    for batch in loader.batches(plans, 0):
        assert len(batch.cases) == 48
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, seconds


if __name__ == "__main__":
    main()
