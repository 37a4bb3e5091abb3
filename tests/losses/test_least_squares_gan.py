"""Least-squares losses: known answers, single images, gradients with the right sign, precision."""

from __future__ import annotations

import pytest
import torch

from medcl.losses.least_squares_gan import discriminator_loss, generator_loss

SHAPE = (3, 1, 1, 4, 5)


@pytest.mark.parametrize("c", [-0.5, 0.0, 0.25, 0.5, 1.0, 2.0])
def test_a_discriminator_that_says_c_of_everything(c: float) -> None:
    scores = torch.full(SHAPE, c)
    assert generator_loss(scores).tolist() == pytest.approx([(c - 1) ** 2] * 3)
    assert discriminator_loss(scores, scores).tolist() == pytest.approx([c**2 + (c - 1) ** 2] * 3)


def test_a_perfect_discriminator_costs_nothing_and_a_deceived_one_two() -> None:
    made, real = torch.zeros(SHAPE), torch.ones(SHAPE)
    assert discriminator_loss(made, real).tolist() == [0, 0, 0]
    assert discriminator_loss(real, made).tolist() == [2, 2, 2]
    assert generator_loss(made).tolist() == [1, 1, 1]
    assert generator_loss(real).tolist() == [0, 0, 0]


def test_each_image_has_its_own_loss() -> None:
    made, real = torch.randn(SHAPE), torch.randn(SHAPE)
    expected = [(made[i] ** 2).mean() + ((real[i] - 1) ** 2).mean() for i in range(3)]
    torch.testing.assert_close(discriminator_loss(made, real), torch.stack(expected))
    torch.testing.assert_close(generator_loss(made)[1:2], generator_loss(made[1:2]))


def test_a_step_down_moves_the_scores_apart() -> None:
    made, real = (torch.full((1, 1, 1, 2, 2), 0.5, requires_grad=True) for _ in range(2))
    discriminator_loss(made, real).sum().backward()
    assert (made.grad > 0).all()
    assert (real.grad < 0).all()
    made.grad = None
    generator_loss(made).sum().backward()
    assert (made.grad < 0).all()


def test_gradcheck() -> None:
    made, real = (torch.randn(2, 1, 1, 2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(generator_loss, (made,))
    assert torch.autograd.gradcheck(discriminator_loss, (made, real))


def test_half_precision_is_raised_before_squaring() -> None:
    made, real = ((1e3 * torch.randn(SHAPE)).to(torch.bfloat16) for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        losses = discriminator_loss(made, real)
    assert losses.dtype == torch.float32
    assert torch.equal(losses, discriminator_loss(made.float(), real.float()))


def test_images_that_cannot_be_paired_are_refused() -> None:
    with pytest.raises(ValueError, match="2 translated and 3 real"):
        discriminator_loss(torch.rand(2, 1, 1, 4, 5), torch.rand(SHAPE))
