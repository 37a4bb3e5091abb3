from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from training_toy import CPU, ToyBatch, ToyMethod, ToySource

from medcl.study.errors import RunFailed
from medcl.training.precision import Precision
from medcl.training.validation import run_validation

FP32 = Precision("fp32", "cpu")


class Told(ToyMethod):
    """Returns what it is told for each batch."""

    def __init__(self, *results: dict[str, float]) -> None:
        super().__init__()
        self.results = iter(results)
        self.modes: list[bool] = []

    def validate(self, batch: ToyBatch) -> dict[str, Tensor]:
        self.modes += [self.training, torch.is_grad_enabled()]
        return {name: torch.tensor(value) for name, value in next(self.results).items()}


def validate(method: Any, source: ToySource) -> dict[str, float] | None:
    return run_validation(method, source, source.validation(), FP32, CPU, epoch=2)


def test_means_are_weighted_by_the_batches_terms() -> None:
    method = Told({"loss": 1.0, "other": 4.0, "weight": 3.0}, {"loss": 5.0, "other": math.nan, "weight": 1.0})
    assert validate(method, ToySource()) == {"loss": 2.0, "other": 4.0}
    assert method.modes == [False, False] * 2
    assert method.training


def test_batches_are_not_augmented_and_there_may_be_none() -> None:
    source = ToySource()
    validate(ToyMethod(), source)
    assert source.asked == [(0, 0, False)]
    assert validate(ToyMethod(), ToySource(validation=False)) is None


def test_generators_weights_and_buffers_are_as_before() -> None:
    method = ToyMethod()
    before = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    state = torch.get_rng_state()
    assert validate(method, ToySource()) == validate(method, ToySource())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.state_dict().items())


def test_loss_that_is_not_finite_names_its_batch() -> None:
    method = Told({"loss": 1.0, "weight": 1.0}, {"loss": math.inf, "weight": 1.0})
    with pytest.raises(RunFailed, match=r"validation loss of epoch 3 is inf[^\n]*\nCases of the batch: P004, P005\."):
        validate(method, ToySource())
    assert method.training
