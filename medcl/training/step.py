"""What a method hands the loop for each update of an optimizer."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One update: the loop goes backward through `loss` and then steps `optimizer`.

    Attributes:
        optimizer: a name of `Method.parameter_groups`.
        loss: scalar, with its graph; it differs from zero gradient only in what the optimizer is meant to change.
        logs: further scalars for metrics.csv and the progress line, averaged over the epoch; detached by the loop.
        embeddings: `(N, C)` of this batch, watched for collapse; None where there are none.
    """

    optimizer: str
    loss: Tensor
    logs: dict[str, Tensor] = field(default_factory=dict)
    embeddings: Tensor | None = None
