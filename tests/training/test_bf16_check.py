"""The look at bfloat16 gradients sees wrong ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medcl.training import bf16_check
from medcl.training.bf16_check import cpu_bf16_gradients_are_right


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Forget what was found before."""
    cpu_bf16_gradients_are_right.cache_clear()


@pytest.mark.parametrize("factor", [float("inf"), float("nan"), 2.0])
def test_wrong_gradients_are_seen(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    right = bf16_check._weight_gradient

    def wrong(conv: nn.Module, volumes: torch.Tensor, half: bool) -> torch.Tensor:
        return right(conv, volumes, half=False) * (factor if half else 1.0)

    monkeypatch.setattr(bf16_check, "_weight_gradient", wrong)
    assert not cpu_bf16_gradients_are_right()


def test_rounding_to_bfloat16_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bf16_check._weight_gradient

    def rounded(conv: nn.Module, volumes: torch.Tensor, half: bool) -> torch.Tensor:
        dtype = torch.bfloat16 if half else torch.float32
        return right(conv, volumes.to(dtype).float(), half=False).to(dtype).float()

    monkeypatch.setattr(bf16_check, "_weight_gradient", rounded)
    assert cpu_bf16_gradients_are_right()


def test_the_random_state_is_not_touched() -> None:
    before = torch.get_rng_state()
    cpu_bf16_gradients_are_right()
    assert torch.equal(before, torch.get_rng_state())
