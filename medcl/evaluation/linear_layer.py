"""A linear layer on frozen embeddings, trained with few labels: how much of the classes a straight line can read.

Adam with a learning rate of 3e-4, 200 epochs, cross-entropy, on 20% of the training labels: Ferrante and colleagues,
"Contrastive learning for unsupervised medical image clustering and reconstruction". They tell no batch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from medcl.evaluation.class_predictions import ClassPredictions, Labels
from medcl.study.errors import BadInput

EPOCHS = 200
LEARNING_RATE = 3e-4
BATCH_SIZE = 64
"""Ours: the paper tells none. All rows at once would be 200 steps in all, too few at this learning rate."""


@dataclass(frozen=True, eq=False)
class LinearLayer:
    """A trained layer.

    Attributes:
        classes: C names, in order.
        weight: (C, F).
        bias: (C,).
        centre, spread: (F,) of the training rows, taken off and divided by first; 0 and 1 unless standardised.
    """

    classes: tuple[str, ...]
    weight: torch.Tensor
    bias: torch.Tensor
    centre: torch.Tensor
    spread: torch.Tensor

    def predict(self, features: npt.NDArray[Any]) -> ClassPredictions:
        """Classes and probabilities of rows (N, F)."""
        with torch.no_grad():
            rows = (_tensor(features) - self.centre) / self.spread
            shares = functional.linear(rows, self.weight, self.bias).double().softmax(dim=1).numpy()
        names = np.array(self.classes, dtype=np.str_)
        return ClassPredictions(self.classes, names[np.argmax(shares, axis=1)], shares)


def fit_linear_layer(
    features: npt.NDArray[Any],
    labels: Labels,
    *,
    standardised: bool = False,
    epochs: int = EPOCHS,
    learning_rate: float = LEARNING_RATE,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
) -> LinearLayer:
    """Train on the given rows alone, in float32 on the CPU; the same seed gives the same layer.

    Args:
        features: (N, F), finite.
        labels: (N,) classes, without missing values.
        standardised: give every feature mean 0 and deviation 1 over these rows first; the paper does not.
        epochs: passes over the rows.
        learning_rate: of Adam.
        batch_size: rows a step; the last of an epoch may be fewer.
        seed: of the starting weights and of the order of rows.

    Raises:
        BadInput: one class only.
    """
    classes, place = np.unique(np.asarray(labels, dtype=np.str_), return_inverse=True)
    if len(classes) < 2:
        raise BadInput(f"a linear layer needs training rows of at least 2 classes, found {len(classes)}.")
    rows = _tensor(features)
    centre, spread = torch.zeros(rows.shape[1]), torch.ones(rows.shape[1])
    if standardised:
        centre, spread = rows.mean(dim=0), rows.std(dim=0, correction=0)
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    weight, bias = _trained(
        (rows - centre) / spread,
        torch.from_numpy(place.astype(np.int64)),
        len(classes),
        (epochs, learning_rate, batch_size),
        torch.Generator().manual_seed(seed),
    )
    return LinearLayer(tuple(classes.tolist()), weight, bias, centre, spread)


def _trained(
    rows: torch.Tensor, targets: torch.Tensor, classes: int, told: tuple[int, float, int], generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (C, F) and bias (C,), started as torch.nn.Linear starts them but from the generator."""
    epochs, learning_rate, batch_size = told
    bound = rows.shape[1] ** -0.5
    weight = torch.empty(classes, rows.shape[1]).uniform_(-bound, bound, generator=generator).requires_grad_()
    bias = torch.empty(classes).uniform_(-bound, bound, generator=generator).requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=learning_rate)
    for _ in range(epochs):
        order = torch.randperm(len(rows), generator=generator)
        for first in range(0, len(rows), batch_size):
            batch = order[first : first + batch_size]
            optimizer.zero_grad()
            loss = functional.cross_entropy(functional.linear(rows[batch], weight, bias), targets[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return weight.detach(), bias.detach()


def _tensor(features: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(features, dtype=np.float32))
