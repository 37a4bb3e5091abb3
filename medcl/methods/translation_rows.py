"""Which slices of a batch of translation are of the source, of the target, and labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medcl.data.loader import Batch
from medcl.data.plan import LABELLED
from medcl.data.to_device import to_device
from medcl.data.translation_task import SOURCE
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.training.distributed import own_rows


@dataclass(frozen=True, eq=False)
class TranslationRows:
    """Of this process's share of a batch, and how many slices the whole batch has.

    Attributes:
        source, target: rows of the share, on its device.
        labelled: places among those of the source, on the device.
        keys: of the source's slices and after them the target's, on the host.
        sources, targets, labels: slices of the source, of the target and labelled ones in the whole batch.
    """

    source: Tensor
    target: Tensor
    labelled: Tensor
    keys: NDArray[np.int64]
    sources: int
    targets: int
    labels: int


def rows_of(batch: Batch) -> TranslationRows:
    """Return the rows of a batch, from its plan's targets "source" and "labelled".

    A slice of the target counts as unlabelled, whatever its plan says.
    """
    # the host's copies: asking them costs no wait for the device
    is_source = batch.plan.targets[SOURCE]
    has_labels = is_source & batch.plan.targets[LABELLED]
    own = own_rows(len(is_source))
    source, target = np.flatnonzero(is_source[own]), np.flatnonzero(~is_source[own])
    labelled = np.flatnonzero(has_labels[own][source])
    on_device = [to_device(torch.from_numpy(each), batch.volumes.device) for each in (source, target, labelled)]
    return TranslationRows(
        source=on_device[0],
        target=on_device[1],
        labelled=on_device[2],
        keys=batch.plan.keys[own][np.concatenate([source, target])],
        sources=int(is_source.sum()),
        targets=int((~is_source).sum()),
        labels=int(has_labels.sum()),
    )


def shown_labels(batch: Batch, rows: TranslationRows) -> Tensor:
    """Return the share's labels, (m, 1, 1, H, W): the source's and after them the target's, which are all unknown."""
    labels = batch.labels
    assert labels is not None
    shown = torch.full_like(labels, UNLABELLED)
    return shown.index_copy_(0, rows.labelled, labels[rows.source[rows.labelled]])
