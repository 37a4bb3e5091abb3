"""The mean over a batch that several processes share, from what each of them has summed up."""

from __future__ import annotations

from torch import Tensor

from medcl.training.distributed import world_size


def whole_batch_mean(here: Tensor, count: int) -> Tensor:
    """Return this process's part of the mean over `count` terms, scaled so that the mean over the ranks is the mean.

    The loop averages gradients over the ranks, and logged numbers too. A rank that has fewer of the terms than another
    (of labelled images, say) must not weigh each of its own more: the sum is divided by the terms of all.

    Args:
        here: sum of the terms of this process; 0 where it has none.
        count: terms of the whole batch, the same on every rank.
    """
    return here * (world_size() / max(count, 1))
