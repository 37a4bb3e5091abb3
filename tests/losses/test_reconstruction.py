"""Mean squared error of single images: by hand, in full precision, and never of images that differ in size."""

from __future__ import annotations

import pytest
import torch

from medcl.losses.reconstruction import mean_squared_error

SHAPE = (3, 1, 2, 4, 5)


def test_by_hand_image_by_image() -> None:
    rebuilt = torch.zeros(SHAPE)
    rebuilt[1, 0, 1, 2, 3] = 2.0  # one of 40 voxels
    rebuilt[2] += 0.5
    assert mean_squared_error(torch.zeros(SHAPE), rebuilt).tolist() == pytest.approx([0.0, 0.1, 0.25])


def test_an_image_costs_the_same_in_any_batch() -> None:
    images, rebuilt, order = torch.rand(SHAPE), torch.rand(SHAPE), torch.tensor([2, 0, 1])
    losses = mean_squared_error(images, rebuilt)
    torch.testing.assert_close(mean_squared_error(images[order], rebuilt[order]), losses[order])
    torch.testing.assert_close(mean_squared_error(images[1:2], rebuilt[1:2]), losses[1:2])
    torch.testing.assert_close(losses.mean(), torch.nn.functional.mse_loss(rebuilt, images))


def test_gradcheck() -> None:
    images, rebuilt = (torch.rand(2, 1, 1, 3, 3, dtype=torch.float64) for _ in range(2))
    assert torch.autograd.gradcheck(mean_squared_error, (images, rebuilt.requires_grad_()))


def test_half_precision_is_raised_before_squaring() -> None:
    images, rebuilt = torch.rand(SHAPE), torch.rand(SHAPE).to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        losses = mean_squared_error(images, rebuilt)
    assert losses.dtype == torch.float32
    assert torch.equal(losses, mean_squared_error(images, rebuilt.float()))


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 1, 1, 28, 28\) and rebuilt \(1, 1, 1, 28, 28\)"):
        mean_squared_error(torch.rand(3, 1, 1, 28, 28), torch.rand(1, 1, 1, 28, 28))
