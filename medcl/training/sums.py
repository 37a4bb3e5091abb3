"""Sums that run through an epoch on the device, so that no step waits for a number to reach the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class RunningSums:
    """Named running means of scalars; reading them is the only synchronisation."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._dtype = torch.float32 if device.type == "mps" else torch.float64  # mps has no float64
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add one observation of each scalar."""
        for name, value in values.items():
            added = value.detach().to(self._device, self._dtype)
            self._sums[name] = self._sums[name] + added if name in self._sums else added
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """Return the means so far (this waits for the device)."""
        return {name: float(total) / self._counts[name] for name, total in self._sums.items()}

    def clear(self) -> None:
        """Start a new epoch."""
        self._sums.clear()
        self._counts.clear()

    def state_dict(self) -> dict[str, Any]:
        """Return sums and counts for a checkpoint."""
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`."""
        self._sums = {name: total.to(self._device, self._dtype) for name, total in state["sums"].items()}
        self._counts = dict(state["counts"])
