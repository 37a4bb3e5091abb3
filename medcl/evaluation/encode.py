"""Stored volumes through an encoder, batch by batch, in one reused buffer: memory does not grow with the cohort."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from medcl.study.errors import RunFailed

Floats = npt.NDArray[np.float32]


class Reader(Protocol):
    """Reads stored volumes (`imaging.store.VolumeStore` is one)."""

    def read(self, entry: Any, out: Floats | None = None) -> Floats: ...


@torch.inference_mode()
def encode(
    store: Reader, entries: Sequence[Any], module: nn.Module, *, batch_size: int, device: torch.device
) -> Iterator[tuple[Sequence[Any], Floats]]:
    """Yield the entries in their order, batch by batch, with their features (B, F).

    The module runs in evaluation mode and in float32, so that a row does not depend on the images beside it (but for
    rounding in the last digits).

    Args:
        store: reads an entry.
        entries: all of one shape (z, y, x).
        module: maps (B, 1, D, H, W) to (B, F).
        batch_size: images at once.
        device: where the module is.

    Raises:
        RunFailed: features that are not finite; names the images.
    """
    if module.training:
        raise ValueError("encode needs a module in evaluation mode")
    if not entries:
        return
    buffer = np.empty((min(batch_size, len(entries)), *entries[0].shape), dtype=np.float32)
    for start in range(0, len(entries), batch_size):
        batch = entries[start : start + batch_size]
        for place, entry in enumerate(batch):
            store.read(entry, out=buffer[place])
        volumes = torch.from_numpy(buffer[: len(batch)]).unsqueeze(1).to(device)
        features = module(volumes).float().cpu().numpy()
        wrong = [entry.case for entry, row in zip(batch, features, strict=True) if not np.isfinite(row).all()]
        if wrong:
            raise RunFailed(
                f"the encoder's features are not finite for {', '.join(wrong[:5])}"
                f"{', ...' if len(wrong) > 5 else ''}: its training diverged (see the run's metrics.csv), or the "
                "stored volumes are damaged (`medcl preprocess --overwrite` makes them again)."
            )
        yield batch, features
