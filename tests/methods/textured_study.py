"""A study in memory whose classes differ by what surrounds them: like discs among stripes of two directions.

Each patient has stripes of other contrast and each slice of other width and angle, so that one patient does not show
all that a class may look like; the many images without masks do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.data.samples import Samples

CLASSES = (1, 2)
"""Discs among stripes that run up and down, and from side to side."""

ANGLES = (0.0, np.pi / 2)
SPREAD = 0.15
"""Largest deviation of a slice's stripes from these angles, in radians."""

NOISE = 0.07
DISC = 0.2
"""Of the discs above the mean of what surrounds them."""


@dataclass(frozen=True)
class Entry:
    """A patient's one image."""

    case: str
    patient: str
    exam: str
    sequence: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    label_file: str = "in memory"


@dataclass(frozen=True)
class Store:
    """Images and masks by case."""

    entries: list[Entry]
    images: dict[str, NDArray[np.float32]]
    masks: dict[str, NDArray[np.uint8]]

    def read(
        self, entry: Entry, out: NDArray[np.float32] | None = None, slice: int | None = None
    ) -> NDArray[np.float32]:
        """Return an image, or a slice of it."""
        found = self.images[entry.case]
        found = found if slice is None else found[slice : slice + 1]
        if out is None:
            return found.copy()
        out[...] = found
        return out

    def labels(self, entry: Entry, slice: int | None = None) -> NDArray[np.uint8]:
        """Return a mask, or a slice of it."""
        found = self.masks[entry.case]
        return found if slice is None else found[slice : slice + 1]


def textured_study(seed: int, *, train: int, val: int, test: int, side: int = 32, slices: int = 4) -> Samples:
    """Return the slices of the patients P000, P001, ...: first those of training, then of validation, then of the test.

    Args:
        seed: of everything that is drawn.
        train, val, test: patients of each.
        side: of a slice in voxels.
        slices: of a patient; every other one has the same class.
    """
    generator = np.random.default_rng([20, seed])
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    entries, images, masks = [], {}, {}
    for number in range(len(splits)):
        name = f"P{number:03d}"
        entries.append(Entry(name, name, "", "", (slices, side, side)))
        images[name], masks[name] = _patient(generator, side, slices)
    rows = [entry for entry in entries for _ in range(slices)]
    names, empty = np.array([entry.case for entry in rows]), np.full(len(rows), "")
    return Samples(
        store=Store(entries, images, masks),
        entries=rows,
        cases=names,
        patients=names,
        exams=empty,
        sequences=empty,
        splits=np.repeat(splits, slices),
        values=None,
        classes=None,
        variable="",
        label="",
        size=(1, side, side),
        slices=np.tile(np.arange(slices), len(entries)),
    )


def _patient(generator: np.random.Generator, side: int, slices: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return (slices, side, side) intensities in about [0, 1] and labels."""
    brightness, contrast = generator.uniform(0.35, 0.55), generator.uniform(0.1, 0.2)
    kinds = generator.permutation(np.arange(slices) % 2)
    image, labels = np.empty((slices, side, side)), np.zeros((slices, side, side), np.uint8)
    for slice, label, kind in zip(image, labels, kinds, strict=True):
        discs = _discs(generator, side)
        label[discs] = CLASSES[kind]
        slice[...] = np.where(discs, DISC, contrast * _stripes(generator, side, ANGLES[kind]))
    image += brightness + generator.normal(0, NOISE, image.shape)
    return image.astype(np.float32), labels


def _stripes(generator: np.random.Generator, side: int, angle: float) -> NDArray[np.float64]:
    """Stripes of 5 to 8 voxels."""
    angle += generator.uniform(-SPREAD, SPREAD)
    y, x = np.mgrid[:side, :side]
    along = x * np.cos(angle) + y * np.sin(angle)
    return np.asarray(np.sin(2 * np.pi * (along / generator.uniform(5, 8) + generator.random())))


def _discs(generator: np.random.Generator, side: int) -> NDArray[np.bool_]:
    """One on the left and one on the right."""
    y, x = np.mgrid[:side, :side] / side
    found = np.zeros((side, side), bool)
    for left, right in ((0.22, 0.3), (0.7, 0.78)):
        away = np.hypot(x - generator.uniform(left, right), y - generator.uniform(0.25, 0.75))
        found |= away < generator.uniform(0.1, 0.17)
    return found
