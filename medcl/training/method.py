"""What the loop asks of a method: a module that says, batch by batch, which losses which optimizer steps on.

A method is a `torch.nn.Module` with the members below (it need not inherit from `Method`). It holds plain modules and
knows nothing of devices, ranks, files or progress bars. Everything that must survive a resume stands in its
`state_dict`: networks, EMA teachers, queues and other buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter

from medcl.training.step import Step

ParameterGroup = dict[str, Any]
"""torch's own form: `params` and, where they differ from the settings, `lr`, `weight_decay`, `betas`, ..."""

ParameterGroups = Mapping[str, Sequence[Parameter] | Sequence[ParameterGroup]]


class Method(Protocol):
    """One paper's training step, as the loop sees it.

    A method may say `keeps_last = True` where no epoch's loss tells that it is the best one (`keeps_last.keeps_last`).
    """

    @property
    def encoder(self) -> torch.nn.Module:
        """The network that is exported at the end."""

    @property
    def collapse_loss(self) -> float | None:
        """The loss when all embeddings are equal; None where the method has no such value."""

    def parameter_groups(self) -> ParameterGroups:
        """Return the parameters of each optimizer by its name; a parameter belongs to one optimizer at most."""

    def steps(self, batch: Any) -> Iterator[Step]:
        """Yield the updates of one batch in their order.

        The named optimizer is stepped before the generator goes on, so that a later loss sees the new weights.
        """

    def validate(self, batch: Any) -> dict[str, Tensor]:
        """Return the batch's mean losses, "loss" among them, and "weight": how many terms each is the mean of.

        Called in evaluation mode and without gradients.
        """

    def after_step(self, epoch: int, step: int) -> None:
        """Follow up a batch (move an EMA teacher, say).

        Args:
            epoch: from 0.
            step: batches done in the run, this one included.
        """

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...
    def eval(self) -> Any: ...
    def to(self, device: torch.device) -> Any: ...
    def named_children(self) -> Iterator[tuple[str, torch.nn.Module]]: ...
