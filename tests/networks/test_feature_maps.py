"""The maps inside the encoders: shapes, what they share with the encoder, where a cell lies."""

from __future__ import annotations

import pytest
import torch

from medcl.networks.encoder import RESNET_LAYERS, build_encoder
from medcl.networks.feature_maps import MAP_STRIDES, feature_maps, map_channels
from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput

SIZES = [(1, 32, 48), (1, 33, 47), (8, 32, 16), (5, 17, 35)]


@pytest.mark.parametrize("name", ["resnet10", "resnet50"])
@pytest.mark.parametrize("size", SIZES)
def test_channels_and_cells_are_those_announced(name: str, size: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        maps = feature_maps(build_encoder(name, size), torch.empty(2, 1, *size))
    for each, channels, stride in zip(maps, map_channels(name), MAP_STRIDES, strict=True):
        assert each.shape == (2, channels, *(-(-n // s) for n, s in zip(size, stride, strict=True)))


def test_strides_double_from_the_stems() -> None:
    assert MAP_STRIDES == ((1, 2, 2), (2, 4, 4), (4, 8, 8), (8, 16, 16), (16, 32, 32))


@pytest.mark.parametrize("size", [(1, 32, 48), (8, 32, 16)])
def test_the_mean_of_the_last_map_is_the_feature_vector(size: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    encoder = build_encoder("resnet10", size).eval()
    volumes = torch.rand(2, 1, *size)
    torch.testing.assert_close(feature_maps(encoder, volumes)[-1].mean(dim=(2, 3, 4)), encoder(volumes))


def test_the_maps_train_the_encoders_own_weights() -> None:
    encoder = build_encoder("resnet10", (1, 32, 32))
    feature_maps(encoder, torch.rand(2, 1, 1, 32, 32))[-1].square().sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())


@pytest.mark.parametrize(("level", "cell"), [(2, 8), (3, 4), (4, 2), (4, 4)])
def test_a_cell_is_centred_on_its_index_times_the_stride(level: int, cell: int) -> None:
    """Seen in the gradient: the voxels that a cell answers to lie around voxel i * stride."""
    torch.manual_seed(1)
    encoder = build_encoder("resnet10", (1, 192, 192)).eval()
    images = torch.rand(4, 1, 1, 192, 192, requires_grad=True)
    with torch.enable_grad():
        feature_maps(encoder, images)[level][:, :, 0, cell, cell].square().sum().backward()
    strength = images.grad.square().sum(dim=(0, 1, 2))
    voxels = torch.arange(192.0)
    stride = MAP_STRIDES[level][1]
    for axis in (0, 1):
        along = strength.sum(dim=1 - axis)
        assert float((along * voxels).sum() / along.sum()) == pytest.approx(cell * stride, abs=stride / 8)


@pytest.mark.parametrize("name", [name for name in NETWORKS if not NETWORKS[name].scales])
def test_what_has_one_scale_is_refused(name: str) -> None:
    known = "resnet10, resnet18, resnet34, resnet50"
    with pytest.raises(BadInput, match=rf"--network {name} has no feature maps .* {known}"):
        map_channels(name)
    with pytest.raises(BadInput, match=rf"This encoder has no feature maps .* {known}"):
        feature_maps(build_encoder(name, (1, 16, 16)), torch.rand(1, 1, 1, 16, 16))


def test_the_registry_knows_what_has_several_scales() -> None:
    assert {name for name in NETWORKS if NETWORKS[name].scales} == set(RESNET_LAYERS)
