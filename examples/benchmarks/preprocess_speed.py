"""Is preprocessing limited by reading the files? Volumes per second of `medcl preprocess` beside those of only reading.

All rows run over the same images (96x144x192 int16, textured noise that compresses like a scan), with the same number
of processes, whose start counts in every row. "only read" is nibabel handing over the stored numbers, nothing more.
"loading from the store" is what training does for each image, in one process.

Usage: python examples/benchmarks/preprocess_speed.py --out FOLDER [--images 200] [--workers 2] [--plain] [--quick]

Writes FOLDER/preprocess_speed.json and prints the table. FOLDER keeps the images, so that a second call makes none.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter

from medcl.imaging.nifti import write_nifti
from medcl.imaging.store import VolumeStore
from medcl.imaging.volume import Volume
from medcl.workflows.pool import run_jobs, usable_cores
from medcl.workflows.preprocess import PreprocessOptions, preprocess

SHAPE = (96, 144, 192)
AFFINE = np.diag([1.2, 1.2, 2.0, 1.0])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the images and the results")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--workers", type=int, default=usable_cores())
    parser.add_argument("--plain", action="store_true", help=".nii instead of .nii.gz")
    parser.add_argument("--repeats", type=int, default=3, help="of every row; the best counts")
    parser.add_argument("--quick", action="store_true", help="20 images, once")
    words = parser.parse_args()
    if words.quick:
        words.images, words.repeats = 20, 1
    files = make_images(words.out, words.images, ".nii" if words.plain else ".nii.gz")
    rows = measure(words, files)
    report = {
        "date": str(date.today()),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "images": words.images,
        "workers": words.workers,
        "shape": SHAPE,
        "bytes_per_file": sum(file.stat().st_size for file in files) // len(files),
        "largest_worker_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        "rows": rows,
    }
    (words.out / "preprocess_speed.json").write_text(json.dumps(report, indent=2))
    print_table(report)


def make_images(folder: Path, count: int, suffix: str) -> list[Path]:
    """Images and cohort.csv; images that are there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    pattern = None
    files = [folder / f"{number}{suffix}" for number in range(count)]
    for file in files:
        if not file.exists():
            if pattern is None:
                pattern = gaussian_filter(rng.normal(size=SHAPE), 2) * 3000 + 500
            voxels = pattern + rng.normal(0, 10, SHAPE)
            write_nifti(file, Volume(voxels.astype(np.int16), AFFINE), np.int16)
    lines = [f"P{number // 4},D{number % 4},{file.name}" for number, file in enumerate(files)]
    (folder / "cohort.csv").write_text("\n".join(["patient,exam,image", *lines]) + "\n")
    return files


def measure(words: argparse.Namespace, files: list[Path]) -> list[dict[str, Any]]:
    """Seconds of every row; all rows once, then all again, so that a busy moment does not hit one row alone."""
    study = {"study": words.out, "workers": words.workers}
    work: dict[str, Callable[[], object]] = {
        "file bytes only": lambda: list(run_jobs(read_bytes, files, words.workers)),
        "only read (nibabel)": lambda: list(run_jobs(read_numbers, files, words.workers)),
        "preprocess": lambda: preprocess(PreprocessOptions(**study, overwrite=True)),
        "preprocess, no quality page": lambda: preprocess(PreprocessOptions(**study, overwrite=True, quality=False)),
        "preprocess, spacing 2 2 2": lambda: preprocess(
            PreprocessOptions(**study, name="resampled", spacing=(2, 2, 2), overwrite=True)
        ),
        "preprocess again, all kept": lambda: preprocess(PreprocessOptions(**study)),
        "loading from the store": lambda: load_all(words.out / "preprocessed/default"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(words.repeats):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    only_read = min(seconds["only read (nibabel)"])
    return [
        {"what": name, "seconds": all_of, "per_second": len(files) / min(all_of), "of_reading": only_read / min(all_of)}
        for name, all_of in seconds.items()
    ]


def read_bytes(file: Path) -> int:
    """The bytes, without decompression."""
    return len(file.read_bytes())


def read_numbers(file: Path) -> int:
    """The stored numbers, as nibabel reads them."""
    image: Any = nibabel.load(file)
    return int(np.array(image.dataobj.get_unscaled()).size)


def load_all(folder: Path) -> None:
    """Every volume of a store into one buffer."""
    store = VolumeStore.open(folder)
    buffer = np.empty(store.entries[0].shape, np.float32)
    for entry in store.entries:
        store.read(entry, out=buffer)


def print_table(report: dict[str, Any]) -> None:
    """A table for docs/benchmarks.md."""
    print(f"\n{report['images']} images, {report['workers']} processes, {report['machine']}, {report['date']}")
    print(f"largest worker process: {report['largest_worker_mib']:.0f} MiB\n")
    print("| what | volumes per second | share of the speed of only reading |")
    print("|---|---|---|")
    for row in report["rows"]:
        print(f"| {row['what']} | {row['per_second']:.1f} | {row['of_reading']:.2f} |")


if __name__ == "__main__":
    main()
