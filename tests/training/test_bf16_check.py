"""The look at bfloat16 gradients sees wrong ones."""

from __future__ import annotations

import pytest
import torch

from medcl.training import bf16_check
from medcl.training.bf16_check import cpu_bf16_gradients_are_right


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Forget what was found before."""
    cpu_bf16_gradients_are_right.cache_clear()


@pytest.mark.parametrize("factor", [float("inf"), float("nan"), 2.0])
def test_wrong_gradients_are_seen(monkeypatch: pytest.MonkeyPatch, factor: float) -> None:
    right = bf16_check._weight_gradient

    def wrong(volumes: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return right(volumes, weight, torch.float32) * (factor if dtype is torch.bfloat16 else 1.0)

    monkeypatch.setattr(bf16_check, "_weight_gradient", wrong)
    assert not cpu_bf16_gradients_are_right()


def test_rounding_to_bfloat16_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bf16_check._weight_gradient

    def rounded(volumes: torch.Tensor, weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return right(volumes.to(dtype).float(), weight.to(dtype).float(), torch.float32).to(dtype).float()

    monkeypatch.setattr(bf16_check, "_weight_gradient", rounded)
    assert cpu_bf16_gradients_are_right()


def test_the_random_state_is_not_touched() -> None:
    before = torch.get_rng_state()
    cpu_bf16_gradients_are_right()
    assert torch.equal(before, torch.get_rng_state())
