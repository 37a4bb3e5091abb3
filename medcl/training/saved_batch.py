"""The batch at which a run broke, saved as the network saw it, so that one can look at what went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medcl.study.errors import RunFailed
from medcl.study.files import write_whole
from medcl.training.distributed import is_main, own_rows, rank, world_size
from medcl.training.finite import NotFinite
from medcl.training.source import Source

STEM = "not-finite-batch"


def save_broken_batch(error: NotFinite, source: Source, folder: Path) -> list[str]:
    """Make the batch of `error` again from its plan and save it in `folder`.

    Of a training batch each rank saves its own share; a batch of the validation is the same on all, and saved by one.

    The file holds tensors and plain types: what the batch has (its volumes after augmentation, its targets, the
    cases of the whole batch), "volume_cases" (the case of each volume in this file), and "epoch", "batch" (from 1)
    and "split" ("train" or "val").

    Returns:
        sentences for the message: which volumes are broken, and how to load the file (or why there is none).
    """
    training = error.split == "train"
    if not training and not is_main():
        return []
    shared = training and world_size() > 1
    plans = source.epoch(error.epoch) if training else source.validation()
    batch = next(iter(source.batches([plans[error.batch]], error.epoch, training=training)))
    cases = list(batch.cases)
    content = {
        **{name: plain for name, value in vars(batch).items() if (plain := _plain(value)) is not None},
        "cases": cases,
        "volume_cases": cases[own_rows(len(cases))] if shared else cases,
        "epoch": error.epoch + 1,
        "batch": error.batch + 1,
        "split": error.split,
    }
    file = folder / (f"{STEM}-rank-{rank()}.pt" if shared else f"{STEM}.pt")
    found = _what_is_broken(content, "All voxels of this process's share" if shared else "All voxels")
    try:
        with write_whole(file) as temporary, temporary.open("wb") as stream:
            torch.save(content, stream)
    except RunFailed as full:
        return [found, *full.problems]
    others = f" (the other processes' shares: {STEM}-rank-*.pt)" if shared else ""
    load = f"torch.load({str(file)!r}, weights_only=True)"
    return [found, f"The batch as the network saw it is {file}{others}; load it with {load}."]


def _what_is_broken(content: Mapping[str, Any], every: str) -> str:
    cases = content["volume_cases"]
    broken: dict[str, None] = {}
    for value in content.values():
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim and len(value) == len(cases):
            fine = value.reshape(len(value), -1).isfinite().all(dim=1)
            broken |= dict.fromkeys(case for case, good in zip(cases, fine.tolist(), strict=True) if not good)
    if broken:
        return f"Voxels that are not finite came in with: {', '.join(broken)}."
    return f"{every} were finite when they came in: the numbers broke inside of the network."


def _plain(value: Any) -> Any:
    """Tensors on the CPU, without what else lies in their storage, and plain types; None for anything else."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, Mapping):
        return {str(name): plain for name, item in value.items() if (plain := _plain(item)) is not None}
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, (bool, int, float, str)) for item in value):
        return list(value)
    return None
