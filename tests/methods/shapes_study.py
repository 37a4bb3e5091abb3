"""A study in memory of discs, crosses and rings, each image with one of them, of other size, place and brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medcl.data.samples import Samples

SHAPES = ("disc", "cross", "ring")


@dataclass(frozen=True)
class Entry:
    """One image."""

    case: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)


class Store:
    """Images by case."""

    def __init__(self, entries: Sequence[Entry], images: NDArray[np.float32]) -> None:
        self.entries = list(entries)
        self._images = dict(zip((entry.case for entry in entries), images, strict=True))

    def read(self, entry: Entry, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return an image."""
        if out is None:
            return self._images[entry.case].copy()
        out[...] = self._images[entry.case]
        return out


def shapes_study(seed: int, *, images: int, side: int = 16, noise: float = 0.1) -> tuple[Samples, NDArray[np.int64]]:
    """Return as many training images, and the index in `SHAPES` of each.

    Args:
        seed: of everything that is drawn.
        images: as many of each shape as can be, in random order.
        side: of an image in voxels.
        noise: standard deviation.
    """
    generator = np.random.default_rng([7, seed])
    kinds = generator.permutation(np.arange(images) % len(SHAPES))
    pictures = np.stack([_image(generator, int(kind), side, noise) for kind in kinds])[:, None]
    names = np.array([f"P{number:04d}" for number in range(images)])
    entries = [Entry(name, (1, side, side)) for name in names]
    empty = np.full(images, "")
    return Samples(
        store=Store(entries, pictures),
        entries=entries,
        cases=names,
        patients=names,
        exams=empty,
        sequences=empty,
        splits=np.full(images, "train"),
        values=None,
        classes=None,
        variable="",
        label="",
        size=(1, side, side),
    ), kinds


def _image(generator: np.random.Generator, kind: int, side: int, noise: float) -> NDArray[np.float32]:
    radius = generator.uniform(0.22, 0.34) * side
    centre = side / 2 - 0.5 + generator.uniform(-0.12, 0.12, 2) * side
    y, x = np.mgrid[:side, :side] - centre[:, None, None]
    away = np.hypot(y, x)
    thick = 0.3 * radius
    drawn = (
        away < 0.9 * radius,
        (np.minimum(abs(y), abs(x)) < thick) & (np.maximum(abs(y), abs(x)) < 1.2 * radius),
        abs(away - radius) < thick,
    )[kind]
    image = (
        generator.uniform(0.15, 0.2) + generator.uniform(0.5, 0.6) * drawn + generator.normal(0, noise, (side, side))
    )
    return image.clip(0, 1).astype(np.float32)
