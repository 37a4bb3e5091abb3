"""Are the embeddings collapsing? Their spread, their effective rank, and the loss against its collapse value.

Effective rank is that of Roy and Vetterli 2007 (EUSIPCO), used for embeddings by Garrido et al. 2023 (RankMe,
arXiv:2210.02885): the exponential of the entropy of the normalised singular values, without centring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

HEALTH_EVERY = 10
"""The embeddings of every so-manieth batch of an epoch are looked at."""

SPREAD_LIMIT = 0.05
"""A spread below it is warned about."""

RANK_LIMIT = 1.2
"""An effective rank below it is warned about."""

STUCK_SHARE = 0.01
"""A loss that is nearer to its collapse value than this share of it, two epochs in a row, is warned about."""


def spread(embeddings: Tensor) -> Tensor:
    """Return the root mean square distance of the normalised embeddings `(N, C)` from their mean.

    0 when all point the same way, 1 when their mean is zero.
    """
    directions = torch.nn.functional.normalize(embeddings.detach().float(), dim=1)
    return (directions - directions.mean(0)).square().sum(1).mean().sqrt()


def effective_rank(embeddings: Tensor) -> Tensor:
    """Return the effective rank of the normalised embeddings `(N, C)`.

    1 when all lie on one line, at most min(N, C).
    """
    directions = torch.nn.functional.normalize(embeddings.detach().float(), dim=1)
    values = torch.linalg.svdvals(directions)
    rank: Tensor = torch.special.entr(values / values.sum()).sum().exp()
    return rank


class CollapseWatch:
    """Warns, once for each sign, when an epoch's means look like a collapse; silent while the run warms up.

    Args:
        warmup: epochs of warm-up, in which untrained networks map everything close together.
    """

    def __init__(self, warmup: float) -> None:
        self._warmup = warmup
        self._told: set[str] = set()
        self._stuck = 0

    def warnings(self, epoch: int, means: Mapping[str, float], collapse_loss: float | None) -> list[str]:
        """Return what is to be said about an ended epoch.

        Args:
            epoch: from 0.
            means: its "loss" and, where there are embeddings, "spread" and "effective_rank".
            collapse_loss: the loss when all embeddings are equal, in that epoch, or None.
        """
        if epoch < self._warmup:
            return []
        signs = {
            "spread": self._spread_sign(means.get("spread")),
            "rank": self._rank_sign(means.get("effective_rank")),
            "stuck": self._stuck_sign(means["loss"], collapse_loss),
        }
        found = {name: text for name, text in signs.items() if text and name not in self._told}
        self._told |= found.keys()
        return [f"Epoch {epoch + 1}: {text}" for text in found.values()]

    def state_dict(self) -> dict[str, Any]:
        """Return what was told and seen, for a checkpoint."""
        return {"told": sorted(self._told), "stuck": self._stuck}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`, so that a resumed run neither repeats nor forgets a warning."""
        self._told, self._stuck = set(state["told"]), int(state["stuck"])

    def _spread_sign(self, value: float | None) -> str | None:
        if value is None or value >= SPREAD_LIMIT:
            return None
        return f"the embeddings are nearly all equal (spread {value:.3f}; healthy is above {SPREAD_LIMIT})."

    def _rank_sign(self, value: float | None) -> str | None:
        if value is None or value >= RANK_LIMIT:
            return None
        return f"the embeddings lie nearly on one line (effective rank {value:.2f}; 1 is a full collapse)."

    def _stuck_sign(self, loss: float, value: float | None) -> str | None:
        if value is None or abs(loss - value) > STUCK_SHARE * abs(value):
            self._stuck = 0
            return None
        self._stuck += 1
        if self._stuck < 2:
            return None
        return f"the loss {loss:.4f} stays at what equal embeddings give ({value:.4f}): nothing is being learned."
