"""Stored volumes through an encoder, batch by batch, in one reused buffer: memory does not grow with the cohort.

Of a store of slices the encoder sees one slice at a time, and the features of an image are the mean over its slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medcl.study.errors import RunFailed

Floats = npt.NDArray[np.float32]
Part = tuple[Any, int | None]
"""An entry, and the number of the slice that is wanted; None for all of it."""


class Reader(Protocol):
    """Reads stored volumes and single slices (`imaging.store.VolumeStore` is one)."""

    def read(self, entry: Any, out: Floats | None = None, slice: int | None = None) -> Floats: ...


def encode(
    store: Reader,
    entries: Sequence[Any],
    module: nn.Module,
    *,
    batch_size: int,
    device: torch.device,
    slices: bool = False,
) -> Iterator[tuple[Sequence[Any], Floats]]:
    """Yield the entries in their order, some at a time, with their features (B, F).

    The module runs in evaluation mode and in float32, so that a row does not depend on the images beside it (but for
    rounding in the last digits).

    Args:
        store: reads an entry.
        entries: all of one shape (z, y, x); of slices z may differ.
        module: maps (B, 1, D, H, W) to (B, F), D being 1 of slices.
        batch_size: images, or slices, at once.
        device: where the module is.
        slices: give the module slices, and take the mean over those of each image.

    Raises:
        RunFailed: features that are not finite; names the images.
    """
    if module.training:
        raise ValueError("encode needs a module in evaluation mode")
    if not entries:
        return
    if not slices:
        whole = ((entry, None) for entry in entries)
        buffer = np.empty((min(batch_size, len(entries)), *entries[0].shape), dtype=np.float32)
        for batch, rows in _passed(store, whole, buffer, module, device):
            yield [entry for entry, _ in batch], rows
        return
    parts = ((entry, number) for entry in entries for number in range(entry.shape[0]))
    buffer = np.empty((batch_size, 1, *entries[0].shape[1:]), dtype=np.float32)
    total: npt.NDArray[np.float64] | None = None
    for batch, rows in _passed(store, parts, buffer, module, device):
        done, means = [], []
        for (entry, number), row in zip(batch, rows, strict=True):
            total = row.astype(np.float64) if total is None else total + row
            if number == entry.shape[0] - 1:
                done.append(entry)
                means.append((total / entry.shape[0]).astype(np.float32))
                total = None
        if done:
            yield done, np.stack(means)


@torch.inference_mode()
def _passed(
    store: Reader, parts: Iterator[Part], buffer: Floats, module: nn.Module, device: torch.device
) -> Iterator[tuple[list[Part], Floats]]:
    """Yield volumes or slices, as many at a time as the buffer holds, with what the module makes of them."""
    while batch := list(islice(parts, len(buffer))):
        for place, (entry, number) in enumerate(batch):
            if number is None:
                store.read(entry, out=buffer[place])
            else:
                store.read(entry, out=buffer[place], slice=number)
        volumes = torch.from_numpy(buffer[: len(batch)]).unsqueeze(1).to(device)
        features = module(volumes).float().cpu().numpy()
        _require_finite([entry.case for entry, _ in batch], features)
        yield batch, features


def _require_finite(cases: Sequence[str], features: Floats) -> None:
    found = [case for case, row in zip(cases, features, strict=True) if not np.isfinite(row).all()]
    if wrong := list(dict.fromkeys(found)):
        raise RunFailed(
            f"the encoder's features are not finite for {', '.join(wrong[:5])}"
            f"{', ...' if len(wrong) > 5 else ''}: its training diverged (see the run's metrics.csv), or the "
            "stored volumes are damaged (`medcl preprocess --overwrite` makes them again)."
        )
