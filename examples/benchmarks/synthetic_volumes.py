"""Volumes of noise on disk, as a volume store keeps them (float16 .npy, one file an image), for speed measurements."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medcl.data.samples import Samples

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """One synthetic image."""

    case: str
    patient: str
    exam: str
    file: Path
    shape: Size
    spacing: tuple[float, float, float] = (1.5, 1.0, 1.0)
    sequence: str = ""


class Store:
    """Reads volumes as the volume store does: by memory map into a given buffer."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries

    def read(self, entry: Entry, out: np.ndarray | None = None) -> np.ndarray:
        """Return an entry's voxels as float32."""
        stored = np.load(entry.file, mmap_mode="r")
        out = np.empty(stored.shape, np.float32) if out is None else out
        np.copyto(out, stored)
        return out


def synthetic_samples(folder: Path, patients: int, size: Size, seed: int = 0) -> Samples:
    """Return two exams of each patient, brighter with a variable; files that are there already are used."""
    generator = np.random.default_rng(seed)
    values = generator.gamma(6, 8, patients)
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for patient in range(patients):
        for exam in ("D15", "M3"):
            case = f"P{patient:05d}_{exam}"
            entry = Entry(case, f"P{patient:05d}", exam, folder / f"{case}.npy", size)
            if not entry.file.exists():
                volume = generator.random(size, np.float32) * 0.5 + values[patient] / 300
                np.save(entry.file, volume.astype(np.float16))
            entries.append(entry)
    return Samples(
        store=Store(entries),
        entries=list(entries),
        cases=np.array([entry.case for entry in entries]),
        patients=np.array([entry.patient for entry in entries]),
        exams=np.array([entry.exam for entry in entries]),
        sequences=np.array(["" for _ in entries]),
        splits=np.array(["train" for _ in entries]),
        values=np.repeat(values, 2),
        classes=None,
        variable="synthetic",
        label="synthetic",
        size=size,
    )
