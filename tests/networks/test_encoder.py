"""Shapes, cost, axis order, the 2D twin and refusals of the encoders."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from medcl.networks.encoder import build_encoder
from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput


def gflop(name: str, size: tuple[int, int, int]) -> float:
    """Cost of one forward pass, counted without computing it."""
    with torch.device("meta"):
        encoder, volume = build_encoder(name, size), torch.empty(1, 1, *size)
        with FlopCounterMode(display=False) as counter:
            encoder(volume)
    return counter.get_total_flops() / 1e9


def test_resnet18_costs_160_gflop_at_the_papers_size() -> None:
    assert gflop("resnet18", (96, 144, 192)) == pytest.approx(160, abs=1)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("size", [(8, 16, 32), (1, 32, 16)])
def test_features_have_the_registered_length(name: str, size: tuple[int, int, int]) -> None:
    encoder = build_encoder(name, size).eval()
    with torch.inference_mode():
        features = encoder(torch.rand(2, 1, *size))
    assert features.shape == (2, NETWORKS[name].features)
    assert encoder.features == NETWORKS[name].features
    assert torch.isfinite(features).all()


def test_the_stem_halves_y_and_x_but_not_z() -> None:
    stem = build_encoder("resnet10", (8, 16, 16)).network.conv1
    assert stem.kernel_size == (7, 7, 7)
    assert stem(torch.zeros(1, 1, 8, 16, 32)).shape[2:] == (8, 8, 16)


def test_one_slice_gets_a_network_of_2d_convolutions() -> None:
    flat, deep = build_encoder("resnet10", (1, 32, 32)), build_encoder("resnet10", (8, 32, 32))
    assert {m.weight.ndim for m in flat.modules() if isinstance(m, torch.nn.Conv2d)} == {4}
    assert not any(isinstance(m, torch.nn.Conv3d) for m in flat.modules())
    assert any(isinstance(m, torch.nn.Conv3d) for m in deep.modules())


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_weight_gets_a_gradient(name: str) -> None:
    encoder = build_encoder(name, (8, 32, 32))
    encoder(torch.rand(2, 1, 8, 32, 32)).square().sum().backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None]
    assert without == []


def test_the_same_seed_gives_the_same_weights() -> None:
    built = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        built.append(torch.cat([p.flatten() for p in build_encoder("resnet10", (8, 16, 16)).parameters()]))
    assert torch.equal(built[0], built[1])
    assert not torch.equal(built[0], built[2])


def test_channels_last_gives_the_same_features() -> None:
    encoder = build_encoder("resnet10", (8, 16, 16)).eval()
    volumes = torch.rand(2, 1, 8, 16, 16)
    with torch.inference_mode():
        expected = encoder(volumes)
        encoder = encoder.to(memory_format=torch.channels_last_3d)
        features = encoder(volumes.to(memory_format=torch.channels_last_3d))
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=1e-4)


def test_more_channels_are_an_option() -> None:
    with torch.inference_mode():
        assert build_encoder("resnet10", (8, 16, 16), channels=3).eval()(torch.rand(1, 3, 8, 16, 16)).ndim == 2


def test_the_vits_token_is_an_option_that_changes_the_features() -> None:
    features = []
    for token in ("mean", "cls"):
        torch.manual_seed(0)
        encoder = build_encoder("vit", (8, 16, 16), token=token).eval()
        with torch.inference_mode():
            features.append(encoder(torch.ones(1, 1, 8, 16, 16)))
    assert not torch.allclose(features[0], features[1])


def test_the_vits_layers_do_not_start_equal() -> None:
    layers = build_encoder("vit", (8, 16, 16)).network.layers
    assert not torch.equal(layers[0].linear1.weight, layers[1].linear1.weight)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("resnet18", (3, 64, 64), ["--size 3 64 64", "resnet18", "4 16 16", "1 16 16 for one slice"]),
        ("resnet18", (8, 8, 64), ["--size 8 8 64", "4 16 16"]),
        ("resnet10", (1, 8, 64), ["--size 1 8 64", "4 16 16"]),
        ("vit", (8, 20, 64), ["--size 8 20 64", "multiples of 8"]),
        ("conv3", (3, 28, 28), ["--size 3 28 28", "conv3", "4 8 8"]),
        ("conv3", (1, 7, 28), ["--size 1 7 28", "1 8 8 for one slice"]),
        ("resnet19", (8, 16, 16), ["resnet19", "resnet18"]),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(name: str, size: tuple[int, int, int], words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        build_encoder(name, size)
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_smallest_size_that_is_allowed_works(name: str) -> None:
    for size in (NETWORKS[name].minimum, (1, *NETWORKS[name].minimum[1:])):
        features = build_encoder(name, size)(torch.rand(2, 1, *size))
        assert torch.isfinite(features).all()
