"""Methods that train in phases: what they may do between two epochs, and with which images.

Such a method fixes something from the whole training set at some epoch, as contrastive clustering fixes prototypes
before its second phase. A run that is stopped and resumed still ends like the unbroken one, since the method begins an
epoch from its state at the end of the one before, draws that it makes leave every generator as it was, and what it
fixes stands in its buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, cast, runtime_checkable

import torch
from torch import nn

from medcl.training.distributed import share_buffers
from medcl.training.method import Method
from medcl.training.randomness import untouched_randomness
from medcl.training.source import Batch, OverviewSource, Source


@runtime_checkable
class Phased(Protocol):
    """A `Method` that is told before each epoch, and so can pass from one phase to the next."""

    def begin_epoch(self, epoch: int, images: Callable[[], Iterator[Batch]]) -> list[str]:
        """Prepare for an epoch; return what the user should know, one sentence each.

        Called before the first batch of every epoch, and again when a run is resumed in the middle of one: what was
        fixed then stands in the buffers already and must not be made anew from weights that have moved on. The method
        chooses itself whether it is in evaluation mode and without gradients here; it is put into training mode
        afterwards. Every rank is called with the same images, and has the first rank's buffers afterwards, whose
        shapes must not depend on the data.

        Args:
            epoch: from 0.
            images: yields every training image once, on the device, as stored, in the same order in every epoch.
        """


def begin_epoch(method: Method, source: Source, epoch: int, device: torch.device) -> list[str]:
    """Tell a `Phased` method that an epoch begins, and return what it says; other methods have nothing to say.

    No generator's state changes, whatever the method draws.

    Args:
        method: put into training mode by the caller afterwards.
        source: an `OverviewSource` where the method asks for images.
        epoch: from 0.
        device: where the method trains.

    Raises:
        TypeError: the method asks for images of a source that has no overview.
    """
    if not isinstance(method, Phased):
        return []
    with untouched_randomness(device):
        told = method.begin_epoch(epoch, lambda: _images(source, epoch))
    share_buffers(cast(nn.Module, method))
    return told


def _images(source: Source, epoch: int) -> Iterator[Batch]:
    if not isinstance(source, OverviewSource):
        raise TypeError(f"{type(source).__name__} has no overview(), which a method of several phases asks for")
    return source.batches(source.overview(), epoch, training=False)
