"""A small store in memory and samples made from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from medcl.data.samples import Samples


@dataclass(frozen=True)
class StoredArray:
    """An entry as the volume store has it."""

    case: str
    patient: str
    exam: str
    sequence: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] = (3.0, 1.0, 1.5)


@dataclass
class MemoryStore:
    """Stands in for the volume store: float16 arrays by case, and a count of what was read."""

    entries: list[StoredArray]
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    def read(self, entry: StoredArray, out: np.ndarray | None = None) -> np.ndarray:
        self.reads.append(entry.case)
        out = np.empty(entry.shape, np.float32) if out is None else out
        out[...] = self.arrays[entry.case]
        return out


@pytest.fixture
def make_store() -> Callable[..., MemoryStore]:
    """Make a store from (patient, exam, sequence) of each image."""

    def make(
        images: Sequence[tuple[str, str, str]], size: tuple[int, int, int] = (4, 6, 8), shuffle: int | None = None
    ) -> MemoryStore:
        entries = [StoredArray("_".join(filter(None, each)), *each, shape=size) for each in images]
        store = MemoryStore(entries)
        for entry in entries:
            generator = np.random.default_rng([ord(c) for c in entry.case])
            store.arrays[entry.case] = generator.random(size).astype(np.float16)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(store.entries)
        return store

    return make


@pytest.fixture
def make_samples(make_store: Callable[..., MemoryStore]) -> Callable[..., Samples]:
    """Make samples of some patients x exams x sequences, with values by patient or by image."""

    def make(
        values: Sequence[float] | dict[str, float] | None = None,
        *,
        patients: int | None = None,
        exams: Sequence[str] = ("D15",),
        sequences: Sequence[str] = ("",),
        validation: int = 0,
        classes: tuple[str, ...] | None = None,
        variable: str = "gfr",
        size: tuple[int, int, int] = (4, 6, 8),
        shuffle: int | None = None,
    ) -> Samples:
        number = patients if patients is not None else len(values or [])
        names = [f"P{n:04d}" for n in range(number)]
        images = [(name, exam, sequence) for name in names for exam in exams for sequence in sequences]
        store = make_store(images, size, shuffle)
        entries = sorted(store.entries, key=lambda e: e.case)
        held_out = set(names[number - validation :])
        by_patient: Any = dict(zip(names, values, strict=True)) if values is not None else None
        return Samples(
            store=store,
            entries=entries,
            cases=np.array([e.case for e in entries]),
            patients=np.array([e.patient for e in entries]),
            exams=np.array([e.exam for e in entries]),
            sequences=np.array([e.sequence for e in entries]),
            splits=np.array(["val" if e.patient in held_out else "train" for e in entries]),
            values=None if by_patient is None else np.array([by_patient[e.patient] for e in entries], float),
            classes=classes,
            variable="" if values is None else variable,
            label="" if values is None else f"{variable} [mL/min/1.73m2]",
            size=size,
        )

    return make


@pytest.fixture
def case_plans() -> Callable[..., list[tuple[list[str], list[int], dict[str, list[Any]]]]]:
    """Plans in plain types, images by case, so that they can be compared."""

    def plain(samples: Samples, plans: Sequence[Any]) -> list[tuple[list[str], list[int], dict[str, list[Any]]]]:
        return [
            (
                samples.cases[plan.rows].tolist(),
                plan.keys.tolist(),
                {name: target.tolist() for name, target in plan.targets.items()},
            )
            for plan in plans
        ]

    return plain
