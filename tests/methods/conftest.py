"""Batches without a loader, and a small encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medcl.data.loader import Batch
from medcl.data.plan import BatchPlan


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Make a batch from volumes and labels."""

    def make(volumes: torch.Tensor, label: Any = None) -> Batch:
        targets = {} if label is None else {"label": np.asarray(label, np.int8)}
        rows = np.arange(len(volumes))
        on_device = {name: torch.from_numpy(values) for name, values in targets.items()}
        return Batch(volumes, on_device, [f"P{row}" for row in rows], BatchPlan(rows, rows, targets))

    return make


@pytest.fixture
def small_encoder() -> nn.Module:
    """Two convolutions with a batch norm, 8 features."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 4, 3, stride=2),
        nn.BatchNorm3d(4),
        nn.ReLU(),
        nn.Conv3d(4, 8, 1),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
    )
