"""The state of every random generator: seeded in one place, captured into checkpoints, restored from them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators (on all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def capture_randomness(device: torch.device) -> dict[str, Any]:
    """Return the state of Python's, NumPy's, torch's and the device's generators as tensors and plain types."""
    version, words, gauss = random.getstate()
    numpy: Any = np.random.get_state(legacy=False)
    state = {
        "python": [version, torch.tensor(words, dtype=torch.int64), gauss],
        "numpy": {
            "key": torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
            "position": int(numpy["state"]["pos"]),
            "gauss": [int(numpy["has_gauss"]), float(numpy["gauss"])],
        },
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_randomness(state: dict[str, Any], device: torch.device) -> None:
    """Set the generators to a state that `capture_randomness` returned."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    numpy = state["numpy"]
    np.random.set_state(("MT19937", numpy["key"].numpy().astype(np.uint32), numpy["position"], *numpy["gauss"]))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], device)
    if device.type == "mps":
        torch.mps.set_rng_state(state["mps"])


@contextmanager
def untouched_randomness(device: torch.device) -> Iterator[None]:
    """Leave every generator after the block as it was before it, whatever the block draws."""
    state = capture_randomness(device)
    try:
        yield
    finally:
        restore_randomness(state, device)


@contextmanager
def deterministic_algorithms(device: torch.device) -> Iterator[None]:
    """Use torch's deterministic algorithms in the block when the device is the CPU.

    An operation that has none is told by a warning and still runs; memory is not filled, which costs time and
    changes no result of code that reads only what it wrote.
    """
    if device.type != "cpu":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = fill
