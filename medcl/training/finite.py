"""Stops a run at its first loss or gradient that is not finite, and names the batch's cases.

The numbers stay on the device and are read together, once every `READ_EVERY` steps (every step on the CPU, where
reading is free) and before anything is saved: no step waits for the host, the first bad step is still named exactly,
and no checkpoint ever holds what came after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medcl.study.errors import RunFailed

READ_EVERY = 10
"""Steps between two readings on a GPU."""


def read_every(device: torch.device) -> int:
    """Return after how many steps numbers are read from `device`."""
    return 1 if device.type == "cpu" else READ_EVERY


class NotFinite(RunFailed):
    """A loss or gradient that is not finite.

    Args:
        what: begins the first sentence of the message.
        cases: of the batch.
        epoch: from 0.
        batch: in the epoch or in the validation, from 0.
        split: "train" or "val".
    """

    def __init__(self, what: str, cases: Sequence[str], epoch: int, batch: int, split: str = "train") -> None:
        super().__init__(
            [
                f"{what}, which is not finite; the run was stopped.",
                f"Cases of the batch: {', '.join(dict.fromkeys(cases))}.",
                "Look at these volumes (`medcl preprocess --check`); "
                "if they are right, lower --lr or use --precision fp32.",
            ]
        )
        self.epoch, self.batch, self.split = epoch, batch, split


@dataclass(frozen=True)
class _Step:
    words: str
    cases: Sequence[str]
    epoch: int
    batch: int


class FiniteWatch:
    """Losses and gradient norms of the steps since the last reading."""

    def __init__(self) -> None:
        self._pairs: list[Tensor] = []
        self._steps: list[_Step] = []

    def note(
        self, loss: Tensor, norm: Tensor | None, words: str, cases: Sequence[str], epoch: int = 0, batch: int = 0
    ) -> None:
        """Remember a step.

        Args:
            loss: scalar.
            norm: the gradient's norm; None where gradients may overflow (a gradient scaler skips such steps).
            words: the step, for the message.
            cases: the batch's cases.
            epoch, batch: its place, from 0.
        """
        loss = loss.detach().float()
        self._pairs.append(torch.stack([loss, torch.zeros_like(loss) if norm is None else norm.detach().to(loss)]))
        self._steps.append(_Step(words, cases, epoch, batch))

    def check(self) -> None:
        """Read what was noted.

        Raises:
            NotFinite: naming the first step that was not finite and its cases.
        """
        if not self._pairs:
            return
        values = torch.stack(self._pairs).tolist()
        steps = self._steps
        self._pairs, self._steps = [], []
        for (loss, norm), step in zip(values, steps, strict=True):
            if not math.isfinite(loss):
                raise NotFinite(f"The loss of {step.words} is {loss}", step.cases, step.epoch, step.batch)
            if not math.isfinite(norm):
                raise NotFinite(f"The gradient of {step.words} has the norm {norm}", step.cases, step.epoch, step.batch)
