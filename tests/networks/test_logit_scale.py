"""The learned scale: where it starts, where it ends, that it comes back."""

from __future__ import annotations

import math

import pytest
import torch

from medcl.networks.logit_scale import LogitScale


def test_it_starts_at_the_papers_temperature() -> None:
    scale = LogitScale()
    assert scale().item() == pytest.approx(1 / 0.07, rel=1e-6)
    assert [name for name, _ in scale.named_parameters()] == ["logarithm"]
    assert scale.logarithm.shape == ()
    assert LogitScale(first=5.0)().item() == pytest.approx(5.0)


def test_its_logarithm_gets_the_gradient() -> None:
    scale = LogitScale()
    (3 * scale()).backward()
    assert scale.logarithm.grad.item() == pytest.approx(3 / 0.07, rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_it_is_at_most_100(training: bool) -> None:
    scale = LogitScale().train(training)
    with torch.no_grad():
        scale.logarithm.fill_(9.0)
    assert scale().item() == pytest.approx(100, rel=1e-6)
    expected = math.log(100) if training else 9.0  # only training changes a weight
    assert scale.logarithm.item() == pytest.approx(expected)
    assert LogitScale(first=50.0, largest=20.0)().item() == pytest.approx(20, rel=1e-6)


def test_it_comes_back_from_the_bound_at_once() -> None:
    scale = LogitScale()
    with torch.no_grad():
        scale.logarithm.fill_(9.0)
    optimizer = torch.optim.SGD(scale.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        scale().backward()
        optimizer.step()
    assert scale().item() < 95


def test_it_stays_at_the_bound_however_long_it_is_pushed() -> None:
    scale = LogitScale(first=99.0)
    optimizer = torch.optim.SGD(scale.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        used = scale()
        assert used.item() <= 100 * (1 + 1e-6)
        (-used).backward()
        optimizer.step()


def test_two_uses_before_one_backward() -> None:
    """As with images in several parts: the cut must not spoil the first use's gradient."""
    scale = LogitScale(first=200.0)
    (scale() + scale()).backward()
    assert scale.logarithm.grad.item() == pytest.approx(200, rel=1e-5)


def test_full_precision_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert LogitScale()().dtype == torch.float32
