"""The decoder: the encoder's mirror, cut where the encoder pads, and its condition, which must not be dropped."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medcl.networks.conv_decoder import ConvDecoder
from medcl.networks.encoder import build_encoder

SIZES = [(1, 28, 28), (1, 32, 32), (1, 30, 45), (16, 24, 20)]
FEATURES, CONDITIONS = 12, 5


def built(size: tuple[int, int, int] = (1, 28, 28), kind: type[ConvDecoder] = ConvDecoder) -> ConvDecoder:
    torch.manual_seed(0)
    return kind(size, FEATURES, CONDITIONS)


class Forgetful(ConvDecoder):
    """The public code's fault: the condition goes in and nothing comes of it."""

    def _channel(self, maps: Tensor, condition: Tensor | None) -> Tensor:
        return super()._channel(maps, None)


def condition_gradient(decoder: ConvDecoder) -> Tensor:
    """Mean size of the gradient to each number of the condition, (CONDITIONS,), of voxels summed with random signs."""
    torch.manual_seed(1)
    decoder, h = decoder.double(), torch.randn(3, FEATURES, dtype=torch.float64)
    condition = torch.rand(3, CONDITIONS, dtype=torch.float64).softmax(dim=1).requires_grad_()
    images = decoder(h, condition)
    ((images * torch.randn_like(images)).sum() + 0 * condition.sum()).backward()
    return condition.grad.abs().mean(dim=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("images", [1, 3])
def test_images_have_the_size(size: tuple[int, int, int], images: int) -> None:
    decoder = built(size).eval()
    with torch.inference_mode():
        for condition in (None, torch.rand(images, CONDITIONS)):
            rebuilt = decoder(torch.randn(images, FEATURES), condition)
            assert rebuilt.shape == (images, 1, *size)
            assert torch.isfinite(rebuilt).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("train", [True, False])
def test_every_number_of_the_condition_changes_the_image(size: tuple[int, int, int], train: bool) -> None:
    assert (condition_gradient(built(size).train(train)) > 1e-4).all()


def test_a_decoder_that_drops_its_condition_is_noticed() -> None:
    assert (condition_gradient(built(kind=Forgetful)) == 0).all()


def test_without_a_condition_its_channel_is_zero() -> None:
    decoder, h = built().eval(), torch.randn(2, FEATURES)
    seen: list[Tensor] = []
    decoder.layers.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        without, condition = decoder(h), torch.rand(2, CONDITIONS)
        conditioned, channel = decoder(h, condition), decoder.condition(condition)
    assert seen[0].shape == (2, 129, 4, 4)
    assert (seen[0][:, -1] == 0).all()
    torch.testing.assert_close(seen[1][:, -1].flatten(1), channel)
    assert torch.equal(seen[0][:, :-1], seen[1][:, :-1])
    assert not torch.allclose(without, conditioned, atol=1e-5)


def test_the_layers_mirror_the_encoders() -> None:
    for size, transposed in (((1, 28, 28), nn.ConvTranspose2d), ((16, 24, 20), nn.ConvTranspose3d)):
        decoder, encoder = built(size), build_encoder("conv3", size)
        ours = [each for each in decoder.layers if isinstance(each, transposed)]
        theirs = [each for each in encoder.network.layers if hasattr(each, "kernel_size") and hasattr(each, "weight")]
        assert [(d.out_channels, d.kernel_size, d.stride, d.padding) for d in ours] == [
            (e.in_channels, e.kernel_size, e.stride, e.padding) for e in reversed(theirs)
        ]
        assert decoder.layers[-1] is ours[-1]  # linear
        assert [type(each) for each in decoder.layers[1:6:3]] == [nn.GELU] * 2
        assert decoder.linear.out_features == encoder.network.linear.in_features


@pytest.mark.parametrize(
    ("size", "kernel", "cells"), [((1, 28, 28), 16, 4), ((1, 30, 45), 16, 6), ((16, 24, 20), 64, 4)]
)
def test_the_number_of_weights(size: tuple[int, int, int], kernel: int, cells: int) -> None:
    linear = (FEATURES + 1) * 128 * cells
    condition = (CONDITIONS + 1) * cells * (4 if size[0] == 1 else 8)
    convolutions = (129 * kernel + 1) * 64 + 128 + (64 * kernel + 1) * 32 + 64 + 32 * kernel + 1
    assert sum(weight.numel() for weight in built(size).parameters()) == linear + condition + convolutions


@pytest.mark.parametrize("size", SIZES)
def test_what_is_cut_is_what_the_encoder_padded(size: tuple[int, int, int]) -> None:
    """With perfect layers between, encoder and decoder give back the image itself."""
    encoder, decoder, images = build_encoder("conv3", size).eval(), built(size).eval(), torch.rand(2, 1, *size)
    padded: list[Tensor] = []
    encoder.network.layers.register_forward_pre_hook(lambda _, given: padded.append(given[0]))
    decoder.layers.register_forward_hook(lambda _, __, output: padded[0] if output.shape == padded[0].shape else output)
    with torch.inference_mode():
        encoder(images)
        rebuilt = decoder(torch.randn(2, FEATURES))
    assert torch.equal(rebuilt, images)


def test_every_weight_gets_a_gradient_that_is_not_zero() -> None:
    decoder = built()
    decoder(torch.randn(4, FEATURES), torch.rand(4, CONDITIONS)).square().mean().backward()
    assert [name for name, weight in decoder.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_without_a_condition_only_its_layer_is_left_out() -> None:
    decoder = built()
    decoder(torch.randn(4, FEATURES)).square().mean().backward()
    without = [name for name, weight in decoder.named_parameters() if weight.grad is None]
    assert without == ["condition.weight", "condition.bias"]


def test_it_can_learn_a_few_images() -> None:
    """The parts fit together: four images are learned by heart from their features."""
    decoder, h, images = built((1, 16, 16)), torch.randn(4, FEATURES), torch.rand(4, 1, 1, 16, 16)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        loss = (decoder(h) - images).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * images.var()


@pytest.mark.parametrize("size", [(1, 28, 28), (16, 16, 20)])
def test_gradients_in_bfloat16_are_near_those_of_fp32(size: tuple[int, int, int]) -> None:
    decoder, h, condition = built(size), torch.randn(4, FEATURES), torch.rand(4, CONDITIONS)
    gradients = []
    for half in (False, True):
        decoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            rebuilt = decoder(h, condition)
        rebuilt.float().square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in decoder.parameters()]))
    assert torch.isfinite(gradients[1]).all()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.05 * float(gradients[0].abs().max()))


def test_double_stays_double() -> None:
    rebuilt = built().double()(torch.randn(2, FEATURES).double(), torch.rand(2, CONDITIONS).double())
    assert rebuilt.dtype == torch.float64
