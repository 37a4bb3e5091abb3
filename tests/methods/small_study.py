"""Sixteen patients with two exams each, whose images are the brighter the higher a value; four are held out."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from medcl.data.samples import Samples

Size = tuple[int, int, int]


class Store:
    """Volumes whose brightness follows the patient's value."""

    def __init__(self, cases: Sequence[str], values: np.ndarray, size: Size) -> None:
        self.entries = [SimpleNamespace(case=case, spacing=(2.0, 1.0, 1.0), shape=size) for case in cases]
        self.values = dict(zip(cases, values, strict=True))
        self.size = size

    def read(self, entry: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return noise around the value."""
        volume = np.random.default_rng([ord(c) for c in entry.case]).random(self.size) * 0.3
        out = np.empty(self.size, np.float32) if out is None else out
        out[...] = volume + self.values[entry.case] / 150
        return out


def samples(size: Size) -> Samples:
    """The study's images."""
    patients = np.repeat([f"P{n:02d}" for n in range(16)], 2)
    exams = np.tile(["D15", "M3"], 16)
    cases = np.char.add(np.char.add(patients, "_"), exams)
    values = np.repeat(np.linspace(10, 95, 16), 2)
    splits = np.where(np.isin(patients, ["P03", "P07", "P08", "P12"]), "val", "train")
    store = Store(cases.tolist(), values, size)
    sequences = np.full(32, "water")
    return Samples(store, store.entries, cases, patients, exams, sequences, splits, values, None, "gfr", "gfr", size)
