"""Known answers, an independent slow reference, gradients and precision of the cosine embedding loss."""

from __future__ import annotations

import math

import pytest
import torch

from medcl.losses.cosine_pairs import cosine_pairs

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]
AT_COSINE_06 = [0.6, 0.8]


def slow_reference(first: torch.Tensor, second: torch.Tensor, label: torch.Tensor, margin: float) -> list[float]:
    """The paper's equation in plain Python floats."""
    losses = []
    for a, b, y in zip(first.tolist(), second.tolist(), label.tolist(), strict=True):
        dot = math.fsum(x * w for x, w in zip(a, b, strict=True))
        cosine = dot / (math.hypot(*a) * math.hypot(*b))
        losses.append(1 - cosine if y == 1 else max(0.0, cosine - margin))
    return losses


@pytest.mark.parametrize(
    ("second", "label", "margin", "expected"),
    [
        (EAST, 1, 0.0, 0.0),
        (EAST, 0, 0.0, 1.0),
        (NORTH, 1, 0.0, 1.0),
        (NORTH, 0, 0.0, 0.0),
        (AT_COSINE_06, 1, 0.0, 0.4),
        (AT_COSINE_06, 0, 0.0, 0.6),
        (AT_COSINE_06, 0, 0.5, 0.1),
        (AT_COSINE_06, 1, 0.5, 0.4),
        ([-1.0, 0.0], 0, 0.0, 0.0),
        ([-1.0, 0.0], 1, 0.0, 2.0),
    ],
)
def test_known_answers(second: list[float], label: int, margin: float, expected: float) -> None:
    loss = cosine_pairs(torch.tensor([EAST]), torch.tensor([second]), torch.tensor([label]), margin)
    assert loss.shape == (1,)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_agrees_with_the_slow_reference() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(50, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    label = (torch.rand(50, generator=generator) < 0.25).long()
    for margin in (0.0, 0.5, -0.2):
        expected = torch.tensor(slow_reference(first, second, label, margin), dtype=torch.float64)
        torch.testing.assert_close(cosine_pairs(first, second, label, margin), expected, atol=1e-10, rtol=1e-9)


def test_labels_of_any_whole_type_mean_the_same() -> None:
    first, second = torch.randn(4, 3), torch.randn(4, 3)
    label = torch.tensor([1, 0, 1, 0])
    expected = cosine_pairs(first, second, label)
    for kind in (torch.int8, torch.uint8, torch.float32):
        assert torch.equal(cosine_pairs(first, second, label.to(kind)), expected)


def test_length_of_an_embedding_does_not_matter() -> None:
    first, second, label = torch.randn(6, 5), torch.randn(6, 5), torch.tensor([1, 0, 1, 0, 1, 0])
    expected = cosine_pairs(first, second, label)
    for scale in (1e-15, 1e15):
        torch.testing.assert_close(cosine_pairs(first * scale, second, label), expected)


def test_gradcheck() -> None:
    generator = torch.Generator().manual_seed(2)
    first, second = (torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))
    label = torch.tensor([1, 0, 1, 0, 0])
    assert torch.autograd.gradcheck(lambda a, b: cosine_pairs(a, b, label, 0.1), (first, second))


def test_permuting_the_pairs_permutes_the_losses() -> None:
    first, second, label = torch.randn(9, 4), torch.randn(9, 4), torch.tensor([1, 0, 0] * 3)
    order = torch.randperm(9)
    torch.testing.assert_close(
        cosine_pairs(first[order], second[order], label[order]), cosine_pairs(first, second, label)[order]
    )


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0, 1e30])
def test_finite_and_full_precision_under_bf16_autocast(scale: float) -> None:
    first = (torch.randn(8, 16) * scale).to(torch.bfloat16).requires_grad_()
    second = (torch.randn(8, 16) * scale).to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cosine_pairs(first, second, torch.tensor([1, 0] * 4))
    loss.sum().backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss).all()
    if scale in (0.0, 1.0):
        assert torch.isfinite(first.grad).all()
        assert bool(first.grad.any()) == (scale == 1.0)
    expected = cosine_pairs(first.detach().double(), second.double(), torch.tensor([1, 0] * 4))
    torch.testing.assert_close(loss.double(), expected, atol=1e-6, rtol=0)
