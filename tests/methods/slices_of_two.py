"""Batches of source and target slices whose organs are easily seen, and small networks for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medcl.data.loader import Batch
from medcl.data.plan import BatchPlan
from medcl.losses.cross_entropy_dice import UNLABELLED
from medcl.networks.generator import Generator
from medcl.networks.unet import UNet

SIZE = (1, 24, 24)
SOURCE = np.array([True, False, True, False, True, False])
LABELLED = np.array([True, False, False, False, True, False])
USED = np.flatnonzero(SOURCE & LABELLED)


def small_segmenter(deep: int = 0, seed: int = 0) -> UNet:
    torch.manual_seed(seed)
    return UNet(SIZE, 3, (4, 8, 16, 16), deep).double()


def small_generator(seed: int = 7) -> Generator:
    torch.manual_seed(seed)
    made = Generator(4, 1).double()
    for weights in made.parameters():  # first weights are so small that it makes all slices alike
        weights.data *= 5
    return made


def truth(count: int, seed: int = 0) -> Tensor:
    """Labels (count, 1, 1, 24, 24): equal boxes of class 1 and class 2, elsewhere in every slice."""
    generator = np.random.default_rng(seed)
    labels = torch.zeros(count, 1, *SIZE, dtype=torch.long)
    for each in labels:
        row, first = generator.integers(1, 10), generator.integers(1, 3)
        for which, down in ((first, 0), (3 - first, 7)):
            column = generator.integers(1, 14)
            each[0, 0, row + down : row + down + 6, column : column + 9] = which
    return labels


def slices(labels: Tensor, seed: int = 0) -> Tensor:
    """Source slices of the labels: class 1 is bright and class 2 brighter."""
    noise = torch.randn(labels.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (0.2 + 0.3 * labels + 0.02 * noise).clamp(0, 1)


def mixed_batch(source: np.ndarray = SOURCE, labelled: np.ndarray = LABELLED, seed: int = 0) -> Batch:
    """Target slices are inverted ones; labels are hidden as the loader hides them."""
    labels = truth(len(source), seed)
    volumes = slices(labels, seed)
    volumes[~torch.from_numpy(source)] = 1 - volumes[~torch.from_numpy(source)]
    labels[~torch.from_numpy(labelled)] = UNLABELLED
    rows = np.arange(len(source))
    plan = BatchPlan(rows, rows, {"source": source, "labelled": labelled})
    return Batch(volumes, {}, [f"P{row}" for row in rows], plan, labels)
