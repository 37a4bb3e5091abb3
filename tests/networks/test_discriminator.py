"""The discriminator: its patches by gradients, sizes, what norms leave, refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medcl.networks.discriminator import LEAST, Discriminator
from medcl.study.errors import BadInput


def small(anti_aliased: bool = True) -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(4, anti_aliased)


def slices(images: int = 2, size: tuple[int, int] = (32, 40)) -> Tensor:
    return torch.rand(images, 1, 1, *size, generator=torch.Generator().manual_seed(1))


def patch(discriminator: Discriminator) -> tuple[int, int]:
    """Pixels along y and x that one score sees; without norms, through which it sees all."""
    discriminator.layers = nn.Sequential(
        *(each for each in discriminator.layers if not isinstance(each, nn.InstanceNorm2d))
    )
    for weight in discriminator.parameters():
        weight.data.abs_().add_(1e-2)
    image = torch.rand(1, 1, 1, 160, 168, dtype=torch.float64, requires_grad=True)
    scores = discriminator.double()(image)[0, 0, 0]
    (gradient,) = torch.autograd.grad(scores[scores.shape[0] // 2, scores.shape[1] // 2], image)
    seen = gradient[0, 0, 0] != 0
    return int(seen.any(1).sum()), int(seen.any(0).sum())


def test_the_patch_of_the_name_and_that_of_the_public_code() -> None:
    assert patch(small(anti_aliased=False)) == (70, 70)
    assert patch(small()) == (84, 84)


def test_blurs_add_little_to_the_patch() -> None:
    """Weighted as they are, nearly all that a score sees lies in the inner 70 pixels."""
    discriminator = small()
    for layer in discriminator.layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    discriminator.layers = nn.Sequential(
        *(each for each in discriminator.layers if isinstance(each, nn.Conv2d) or not hasattr(each, "num_features"))
    )
    image = torch.full((1, 1, 1, 160, 160), 0.9, requires_grad=True)
    scores = discriminator(image)[0, 0, 0]
    (gradient,) = torch.autograd.grad(scores[9, 9], image)
    along = gradient[0, 0, 0].sum(0)
    seen = along.nonzero()
    inner = along[int(seen.min()) + 7 : int(seen.max()) - 6]
    assert len(inner) == 70
    assert inner.sum() > 0.99 * along.sum()


def test_the_papers_discriminator() -> None:
    with torch.device("meta"):
        discriminator = Discriminator()
        assert discriminator(torch.empty(2, 1, 1, 256, 256)).shape == (2, 1, 1, 30, 30)
    assert sum(weight.numel() for weight in discriminator.parameters()) == 2_761_793
    convolutions = [each for each in discriminator.layers if isinstance(each, nn.Conv2d)]
    assert [each.out_channels for each in convolutions] == [64, 128, 256, 512, 1]
    kinds = [type(each) for each in discriminator.layers]
    assert kinds.count(nn.InstanceNorm2d) == 3
    assert nn.InstanceNorm2d not in kinds[:3]
    assert isinstance(discriminator.layers[-1], nn.Conv2d)
    assert {each.negative_slope for each in discriminator.layers if isinstance(each, nn.LeakyReLU)} == {0.2}


def test_inside_intensities_lie_about_zero() -> None:
    discriminator, given = small(), slices()
    seen: list[Tensor] = []
    discriminator.layers.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    discriminator(given)
    torch.testing.assert_close(seen[0], 2 * given[:, :, 0] - 1)


@pytest.mark.parametrize("anti_aliased", [True, False])
@pytest.mark.parametrize("size", [(24, 24), (25, 31), (40, 33)])
def test_slices_of_any_size_pass(size: tuple[int, int], anti_aliased: bool) -> None:
    scores = small(anti_aliased)(slices(3, size))
    assert scores.shape[:3] == (3, 1, 1)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("anti_aliased", [True, False])
def test_the_smallest_slice_trains_and_a_smaller_one_is_refused(anti_aliased: bool) -> None:
    discriminator = small(anti_aliased).train()
    scores = discriminator(slices(1, (LEAST, LEAST)))
    assert scores.shape == (1, 1, 1, 1, 1)
    scores.sum().backward()
    for size in ((LEAST - 1, 64), (64, LEAST - 1)):
        with pytest.raises(BadInput, match=f"--size 1 {size[0]} {size[1]} .* discriminator: it needs at least 1 24 24"):
            discriminator(slices(1, size))


def test_what_is_no_slice_with_one_channel_is_refused() -> None:
    with pytest.raises(BadInput, match="single slices with one channel"):
        small()(torch.rand(1, 3, 1, 32, 32))


def test_a_slice_does_not_depend_on_its_batch() -> None:
    discriminator, given = small().double(), slices(3).double()
    torch.testing.assert_close(discriminator(given)[1:2], discriminator(given[1:2]))


def test_every_weight_is_trained_and_the_slice_gets_a_gradient() -> None:
    discriminator, given = small(), slices().requires_grad_()
    discriminator(given).square().mean().backward()
    assert [name for name, weight in discriminator.named_parameters() if not weight.grad.any()] == []
    assert given.grad.any()


def test_gradients_in_bfloat16_are_near_those_of_fp32() -> None:
    discriminator, given = small(), slices()
    gradients = []
    for half in (False, True):
        discriminator.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            scores = discriminator(given)
        (scores.float() - 1).square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in discriminator.parameters()]))
    assert torch.isfinite(gradients[1]).all()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.1 * float(gradients[0].abs().max()))


def test_double_stays_double() -> None:
    assert small().double()(slices().double()).dtype == torch.float64
