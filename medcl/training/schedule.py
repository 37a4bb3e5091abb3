"""The learning rate as a pure function of the place in the run: linear warm-up, then a cosine, a line, or constant.

The warm-up is that of Goyal et al. 2017 (arXiv:1706.02677), the cosine that of Loshchilov and Hutter 2017
(arXiv:1608.03983, without restarts), the line that of the public code of Park et al. 2020 (arXiv:2007.15651). It has no
state: a resumed run computes the same factors.
"""

from __future__ import annotations

import math


def learning_rate_factor(
    epoch: int,
    batch: int,
    batches: int,
    *,
    epochs: int,
    warmup: float,
    schedule: str = "cosine",
    start: float | None = None,
    end: float = 0.0,
    constant: float = 0.0,
) -> float:
    """Return what the peak learning rate is multiplied by at one step, in (0, 1].

    While warming up, the factor of the step number s (from 0) of W warm-up steps is (s + 1) / W: the first step
    already moves, the last one reaches 1. With a `start` it is start + (1 - start) s / W: the first step has the start
    itself, and the first one after the warm-up has 1. After the warm-up, end + (1 - end) 0.5 (1 + cos(pi t)), t going
    from 0 to 1 at the run's end, or 1. Epochs may differ in length, since the place is counted in epochs.

    The line counts epochs from the run's start, has one factor throughout an epoch, and would reach its end one epoch
    after the run: end + (1 - end) (1 - max(0, epoch + 1 - constant) / (epochs - constant + 1)).

    Args:
        epoch: from 0.
        batch: the step in the epoch, from 0.
        batches: steps in this epoch.
        epochs: epochs of the run.
        warmup: epochs of warm-up, fractions allowed.
        schedule: one of `SCHEDULES`.
        start: factor of the first step of the warm-up, in (0, 1]; None begins at one step's part of it.
        end: factor at which the cosine or the line ends, in [0, 1].
        constant: epochs before the line falls, from 0 to `epochs`.
    """
    begin, done = epoch + batch / batches, epoch + (batch + 1) / batches
    if begin < warmup:
        return min(1.0, done / warmup) if start is None else start + (1 - start) * begin / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return end + (1 - end) * (1 - max(0.0, epoch + 1 - constant) / (epochs - constant + 1))
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * (begin - warmup) / (epochs - warmup)))
