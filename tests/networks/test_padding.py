"""Padding by hand changes neither names, weights nor results, and is done for small images under bfloat16 only."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medcl.networks import padding
from medcl.networks.encoder import build_encoder
from medcl.networks.padding import pad_by_hand


@pytest.fixture
def padded_by_hand(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of the images that were padded by hand."""
    seen: list[tuple[int, ...]] = []
    pad = padding._padded

    def noted(conv: nn.Conv3d, image: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(image.shape))
        return pad(conv, image)

    monkeypatch.setattr(padding, "_padded", noted)
    return seen


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 1, 1), (5, 5, 5)])
@pytest.mark.parametrize("width", [1, (0, 1, 2)])
def test_results_are_those_of_torch(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], stride: int, width: int | tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    plain = nn.Conv3d(2, 3, (1, 3, 3) if width == (0, 1, 2) else 3, padding=width, stride=stride).double()
    ours = pad_by_hand(nn.Conv3d(2, 3, plain.kernel_size, padding=width, stride=stride)).double()
    ours.load_state_dict(plain.state_dict())
    image = torch.rand(2, 2, *shape, dtype=torch.float64)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: True)
    torch.testing.assert_close(ours(image), plain(image), rtol=1e-12, atol=1e-12)


def test_only_small_images_under_bfloat16_are_padded_by_hand(padded_by_hand: list[tuple[int, ...]]) -> None:
    conv = pad_by_hand(nn.Conv3d(1, 2, 3, padding=1))
    small, large = torch.rand(1, 1, 2, 9, 9), torch.rand(1, 1, 6, 9, 9)
    conv(small)
    with torch.autocast("cpu", torch.bfloat16):
        conv(large)
        pad_by_hand(nn.Conv3d(1, 2, 1))(small)
    assert not padded_by_hand
    with torch.autocast("cpu", torch.bfloat16):
        conv(small)
    assert padded_by_hand == [tuple(small.shape)]


@pytest.mark.parametrize("size", [(8, 16, 16), (1, 32, 32)])
def test_an_encoder_pads_its_small_images(size: tuple[int, int, int], padded_by_hand: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    encoder = build_encoder("resnet10", size)
    with torch.autocast("cpu", torch.bfloat16):
        encoder(torch.rand(2, 1, *size))
    assert padded_by_hand


def test_the_random_state_and_names_stay() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2))
    before, names = torch.get_rng_state(), list(network.state_dict())
    assert pad_by_hand(network) is network
    assert torch.equal(before, torch.get_rng_state())
    assert list(network.state_dict()) == names
