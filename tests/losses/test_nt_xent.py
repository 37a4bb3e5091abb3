"""Known answers of NT-Xent, an independent slow reference, gradients and precision."""

from __future__ import annotations

import math

import pytest
import torch

from medcl.losses.nt_xent import nt_xent


def slow_reference(z1: torch.Tensor, z2: torch.Tensor, temperature: float, decoupled: bool = False) -> list[float]:
    """The equation, view by view, in plain Python."""
    views = [[x / math.hypot(*row) for x in row] for row in z1.tolist() + z2.tolist()]
    images, losses = len(z1), []
    for i, view in enumerate(views):
        weights = [math.exp(sum(a * b for a, b in zip(view, w, strict=True)) / temperature) for w in views]
        positive = weights[(i + images) % len(views)]
        losses.append(-math.log(positive / (sum(weights) - weights[i] - decoupled * positive)))
    return losses


def test_all_equal_gives_the_logarithm_of_the_other_views() -> None:
    z = torch.ones(256, 3)
    losses = nt_xent(z, z)
    assert losses.shape == (512,)
    assert losses.mean().item() == pytest.approx(6.236370, abs=1e-6)
    assert losses.mean().item() == pytest.approx(math.log(2 * 256 - 1), abs=1e-5)


def test_decoupled_all_equal_gives_the_logarithm_of_the_negatives() -> None:
    z = torch.ones(256, 3)
    losses = nt_xent(z, z, decoupled=True)
    assert losses.shape == (512,)
    assert losses.mean().item() == pytest.approx(6.234411, abs=1e-6)
    assert losses.mean().item() == pytest.approx(math.log(2 * 256 - 2), abs=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_decoupled_perfect_pairs_with_all_others_orthogonal(temperature: float) -> None:
    z = torch.eye(256, dtype=torch.float64)
    expected = math.log(510) - 1 / temperature
    assert nt_xent(z, z, temperature, decoupled=True).mean().item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, 4.248795), (0.1, 0.022890)])
def test_perfect_pairs_with_all_others_orthogonal(temperature: float, expected: float) -> None:
    z = torch.eye(256, dtype=torch.float64)
    assert nt_xent(z, z, temperature).mean().item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("decoupled", [False, True])
def test_agrees_with_the_slow_reference_view_by_view(decoupled: bool) -> None:
    generator = torch.Generator().manual_seed(4)
    z1, z2 = (torch.randn(9, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    for temperature in (0.5, 0.1, 2.0):
        expected = torch.tensor(slow_reference(z1, z2, temperature, decoupled), dtype=torch.float64)
        torch.testing.assert_close(nt_xent(z1, z2, temperature, decoupled), expected)


def test_the_default_temperature_is_the_baselines() -> None:
    z1, z2 = torch.randn(4, 3), torch.randn(4, 3)
    assert torch.equal(nt_xent(z1, z2), nt_xent(z1, z2, temperature=0.5))
    assert not torch.allclose(nt_xent(z1, z2), nt_xent(z1, z2, temperature=0.4))


def test_the_positive_is_in_the_sum_unless_told() -> None:
    z1, z2 = torch.randn(4, 3), torch.randn(4, 3)
    assert torch.equal(nt_xent(z1, z2), nt_xent(z1, z2, decoupled=False))
    assert (nt_xent(z1, z2, decoupled=True) < nt_xent(z1, z2)).all()


def test_one_image_has_no_negatives() -> None:
    with pytest.raises(ValueError, match="no negatives"):
        nt_xent(torch.ones(1, 3), torch.ones(1, 3), decoupled=True)


@pytest.mark.parametrize("decoupled", [False, True])
def test_gradcheck(decoupled: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    z1, z2 = (torch.randn(4, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5, decoupled), (z1, z2))


@pytest.mark.parametrize("decoupled", [False, True])
def test_permuting_the_images_permutes_the_losses(decoupled: bool) -> None:
    z1, z2, order = torch.randn(7, 5), torch.randn(7, 5), torch.randperm(7)
    expected = nt_xent(z1, z2, decoupled=decoupled).reshape(2, 7)[:, order].flatten()
    torch.testing.assert_close(nt_xent(z1[order], z2[order], decoupled=decoupled), expected)


@pytest.mark.parametrize("decoupled", [False, True])
def test_the_two_views_may_be_swapped(decoupled: bool) -> None:
    z1, z2 = torch.randn(7, 5), torch.randn(7, 5)
    torch.testing.assert_close(nt_xent(z1, z2, decoupled=decoupled), nt_xent(z2, z1, decoupled=decoupled).roll(7))


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e30])
@pytest.mark.parametrize("temperature", [0.5, 1e-4])
@pytest.mark.parametrize("decoupled", [False, True])
def test_finite_in_bf16_at_extreme_logits(scale: float, temperature: float, decoupled: bool) -> None:
    z1, z2 = ((torch.randn(8, 16) * scale).to(torch.bfloat16) for _ in range(2))
    z1.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = nt_xent(z1, z2, temperature, decoupled)
    losses.mean().backward()
    assert losses.dtype == torch.float32
    assert torch.isfinite(losses).all()
    assert torch.isfinite(z1.grad).all()
    expected = nt_xent(z1.detach().double(), z2.double(), temperature, decoupled)
    torch.testing.assert_close(losses.double(), expected, atol=1e-5 / temperature, rtol=1e-5)
