"""Stops a run at its first loss or gradient that is not finite, and names the batch's cases.

The numbers stay on the device and are read together, once every `READ_EVERY` steps (every step on the CPU, where
reading is free) and before anything is saved: no step waits for the host, the first bad step is still named exactly,
and no checkpoint ever holds what came after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medcl.study.errors import RunFailed

READ_EVERY = 10
"""Steps between two readings on a GPU."""


def read_every(device: torch.device) -> int:
    """Return after how many steps numbers are read from `device`."""
    return 1 if device.type == "cpu" else READ_EVERY


class FiniteWatch:
    """Losses and gradient norms of the steps since the last reading."""

    def __init__(self) -> None:
        self._pairs: list[Tensor] = []
        self._places: list[tuple[str, Sequence[str]]] = []

    def note(self, loss: Tensor, norm: Tensor | None, place: str, cases: Sequence[str]) -> None:
        """Remember a step.

        Args:
            loss: scalar.
            norm: the gradient's norm; None where gradients may overflow (a gradient scaler skips such steps).
            place: the step in words, for the message.
            cases: the batch's cases.
        """
        loss = loss.detach().float()
        self._pairs.append(torch.stack([loss, torch.zeros_like(loss) if norm is None else norm.detach().to(loss)]))
        self._places.append((place, cases))

    def check(self) -> None:
        """Read what was noted.

        Raises:
            RunFailed: naming the first step that was not finite and its cases.
        """
        if not self._pairs:
            return
        values = torch.stack(self._pairs).tolist()
        places = self._places
        self._pairs, self._places = [], []
        for (loss, norm), (place, cases) in zip(values, places, strict=True):
            if not math.isfinite(loss):
                raise RunFailed(not_finite(f"The loss of {place} is {loss}", cases))
            if not math.isfinite(norm):
                raise RunFailed(not_finite(f"The gradient of {place} has the norm {norm}", cases))


def not_finite(what: str, cases: Sequence[str]) -> list[str]:
    """Return the message of a number that is not finite; `what` begins its first sentence."""
    return [
        f"{what}, which is not finite; the run was stopped.",
        f"Cases of the batch: {', '.join(dict.fromkeys(cases))}.",
        "Look at these volumes (`medcl preprocess --check`); if they are right, lower --lr or use --precision fp32.",
    ]
