"""Initial weights: their spread, their biases, and which network has which."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.init import _calculate_fan_in_and_fan_out as fans

from medcl.networks.discriminator import Discriminator
from medcl.networks.generator import Generator
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.translation_weights import kaiming_weights, xavier_weights
from medcl.networks.unet import UNet

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def xavier(weight: torch.Tensor, gain: float = 0.02) -> float:
    return gain * math.sqrt(2 / sum(fans(weight)))


def kaiming(weight: torch.Tensor) -> float:
    return math.sqrt(2 / fans(weight)[0])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: Generator(8, 2), xavier),
        (lambda: Discriminator(16), xavier),
        (lambda: PatchProjection({"down2": 64}, width=64), xavier),
        (lambda: UNet((1, 32, 32), 5, widths=(8, 16, 32)), kaiming),
    ],
)
def test_each_network_has_its_spread(build, expected) -> None:
    torch.manual_seed(0)
    layers = [each for each in build().modules() if isinstance(each, LAYERS)]
    for layer in layers:
        if layer.weight.numel() >= 1000:
            assert layer.weight.std().item() == pytest.approx(expected(layer.weight), rel=0.1)
        assert layer.bias is None or not layer.bias.any()
    assert sum(layer.weight.numel() >= 1000 for layer in layers) >= 2


def test_the_gain_scales_and_norms_keep_theirs() -> None:
    network = nn.Sequential(nn.Conv2d(16, 16, 3), nn.InstanceNorm2d(16, affine=True))
    for gain in (0.02, 1.0):
        xavier_weights(network, gain)
        assert network[0].weight.std().item() == pytest.approx(xavier(network[0].weight, gain), rel=0.1)
    kaiming_weights(network)
    assert network[0].weight.std().item() == pytest.approx(kaiming(network[0].weight), rel=0.1)
    assert (network[1].weight == 1).all()


def test_the_same_seed_gives_the_same_weights() -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(Generator(4, 1).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["stem.weight"], states[2]["stem.weight"])
