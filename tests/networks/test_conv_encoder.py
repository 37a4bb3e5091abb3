"""The convolutional encoder: layers and weights of the paper's, sizes, margins, precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medcl.networks.conv_encoder import ConvEncoder, margins
from medcl.networks.encoder import Encoder, build_encoder

SIZES = [(1, 28, 28), (1, 32, 32), (1, 30, 45), (16, 24, 20)]


def built(size: tuple[int, int, int]) -> Encoder:
    torch.manual_seed(0)
    return build_encoder("conv3", size)


def layers_of(size: tuple[int, int, int]) -> nn.Sequential:
    network = built(size).network
    assert isinstance(network, ConvEncoder)
    return network.layers


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("images", [1, 3])
def test_one_row_of_128_features_an_image(size: tuple[int, int, int], images: int) -> None:
    with torch.inference_mode():
        features = built(size).eval()(torch.rand(images, 1, *size))
    assert features.shape == (images, 128)
    assert torch.isfinite(features).all()


def test_the_layers_are_the_papers() -> None:
    for size, convolution, norm in (
        ((1, 28, 28), nn.Conv2d, nn.BatchNorm2d),
        ((16, 24, 20), nn.Conv3d, nn.BatchNorm3d),
    ):
        layers = list(layers_of(size))
        assert [type(each) for each in layers[1:9:3]] == [nn.GELU] * 3
        assert [type(each) for each in layers[2:9:3]] == [norm] * 3
        convolutions = [each for each in layers if isinstance(each, convolution)]
        assert convolutions == layers[0:9:3]
        assert [(c.in_channels, c.out_channels) for c in convolutions] == [(1, 32), (32, 64), (64, 128)]
        assert {(set(c.kernel_size).pop(), set(c.stride).pop(), set(c.padding).pop()) for c in convolutions} == {
            (4, 2, 1)
        }
        assert layers[9].kernel_size == 2
        assert len(layers) == 10


@pytest.mark.parametrize(
    ("size", "weights"),
    [
        # convolutions (in * kernel + 1) * out, 2 of each norm, linear (128 * cells + 1) * 128
        ((1, 28, 28), 17 * 32 + 64 + (32 * 16 + 1) * 64 + 128 + (64 * 16 + 1) * 128 + 256 + (128 * 4 + 1) * 128),
        ((1, 30, 45), 17 * 32 + 64 + (32 * 16 + 1) * 64 + 128 + (64 * 16 + 1) * 128 + 256 + (128 * 6 + 1) * 128),
        ((16, 24, 20), 65 * 32 + 64 + (32 * 64 + 1) * 64 + 128 + (64 * 64 + 1) * 128 + 256 + (128 * 4 + 1) * 128),
    ],
)
def test_the_number_of_weights(size: tuple[int, int, int], weights: int) -> None:
    assert sum(weight.numel() for weight in built(size).parameters()) == weights
    if size == (1, 28, 28):
        assert weights == 230_688  # as the docstring says


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 28, 28), ((0, 0), (2, 2), (2, 2))),
        ((1, 32, 16), ((0, 0), (0, 0), (0, 0))),
        ((1, 30, 45), ((0, 0), (1, 1), (1, 2))),
        ((17, 24, 20), ((7, 8), (4, 4), (6, 6))),
    ],
)
def test_margins_are_symmetric_up_to_one_voxel(
    size: tuple[int, int, int], expected: tuple[tuple[int, int], ...]
) -> None:
    assert margins(size) == expected


@pytest.mark.parametrize("size", SIZES)
def test_zeros_are_put_around_the_image_and_nothing_else_is_done_to_it(size: tuple[int, int, int]) -> None:
    encoder, images = built(size).eval(), torch.rand(2, 1, *size)
    seen: list[torch.Tensor] = []
    encoder.network.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        encoder(images)
    padded = seen[0].unsqueeze(2) if encoder.flat else seen[0]
    inside = padded
    for axis, ((before, _), voxels) in enumerate(zip(margins(size), size, strict=True), start=2):
        assert padded.shape[axis] % 16 == 0 or voxels == 1
        assert padded.shape[axis] - voxels < 16
        inside = inside.narrow(axis, before, voxels)
    assert torch.equal(inside, images)
    torch.testing.assert_close(padded.sum(), images.sum())


def test_a_padded_image_has_the_features_of_one_with_a_black_margin() -> None:
    small, large = built((1, 28, 28)).eval(), built((1, 32, 32)).eval()
    image = torch.rand(2, 1, 1, 28, 28)
    with_margin = torch.zeros(2, 1, 1, 32, 32)
    with_margin[..., 2:30, 2:30] = image
    with torch.inference_mode():
        torch.testing.assert_close(small(image), large(with_margin))
        assert not torch.allclose(small(image), large(with_margin.roll(1, dims=-1)), atol=1e-4)


def test_every_part_of_the_image_reaches_the_features() -> None:
    images = torch.rand(1, 1, 1, 30, 45, requires_grad=True)
    built((1, 30, 45)).eval()(images).square().sum().backward()
    assert (images.grad != 0).all()


@pytest.mark.parametrize("size", [(1, 28, 28), (16, 16, 20)])
def test_gradients_in_bfloat16_are_near_those_of_fp32(size: tuple[int, int, int]) -> None:
    encoder, images = built(size), torch.rand(4, 1, *size)
    gradients = []
    for half in (False, True):
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            features = encoder(images)
        features.float().square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in encoder.parameters()]))
    assert torch.isfinite(gradients[1]).all()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.05 * float(gradients[0].abs().max()))
