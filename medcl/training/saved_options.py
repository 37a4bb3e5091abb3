"""What a checkpoint says of the run that made it, and how another machine or version is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from medcl.training.distributed import world_size
from medcl.training.precision import resolve_precision
from medcl.training.resume import plain_options
from medcl.training.settings import TrainingSettings


def run_options(settings: TrainingSettings, device: torch.device, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that must be equal in a resumed run: options and settings, with "auto" as what it came to."""
    return plain_options(
        {
            **options,
            **asdict(settings),
            "warmup_epochs": settings.warmup,
            "constant_epochs": settings.constant,
            "precision": resolve_precision(settings.precision, device).name,
            "device": device.type,
            "gpus": world_size(),
        }
    )


def tell_other_machine(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each difference of thread count, device or versions from the checkpoint's.

    The run goes on, but no longer bit for bit as it would have.
    """
    names = {"threads": "CPU threads", "device": "device", "medcl": "medcl", "torch": "torch"}
    before = {**saved["machine"], **saved["versions"]}
    after = {**now["machine"], **now["versions"]}
    return [
        f"The checkpoint was made with {words} {before[name]}, this is {after[name]}: "
        "the run goes on, but its numbers may differ in the last digits from one that was never stopped."
        for name, words in names.items()
        if before[name] != after[name]
    ]
