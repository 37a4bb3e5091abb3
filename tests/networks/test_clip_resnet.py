"""The ResNet in the CLIP form: its weights against CLIP's own number, its parts, sizes, positions, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import multi_head_attention_forward
from torch.utils.flop_counter import FlopCounterMode

from medcl.networks.attention_pool import AttentionPool
from medcl.networks.clip_resnet import CLIP_BLOCKS, ClipResnet, _Halve, cells
from medcl.networks.encoder import Encoder, build_encoder
from medcl.networks.registry import NETWORKS
from medcl.study.errors import BadInput
from medcl.training import gathered_norm

SMALL = "clip-resnet14"


def built(size: tuple[int, int, int], name: str = SMALL) -> Encoder:
    torch.manual_seed(0)
    return build_encoder(name, size)


def clip_weights(blocks: tuple[int, ...], axes: int, channels: int, places: int) -> int:
    """The number of weights from the paper's description, by hand."""

    def convolution(before: int, after: int, kernel: int) -> int:
        return before * after * kernel**axes + 2 * after  # and its batch norm

    total = convolution(channels, 32, 3) + convolution(32, 32, 3) + convolution(32, 64, 3)
    before = 64
    for width, count in zip((64, 128, 256, 512), blocks, strict=True):
        for block in range(count):
            total += convolution(before, width, 1) + convolution(width, width, 3) + convolution(width, 4 * width, 1)
            if block == 0:
                total += convolution(before, 4 * width, 1)
            before = 4 * width
    attention = 3 * 2048 * 2048 + 2 * 2048 + 2048 * 1024 + 1024  # query and value with bias, key without
    return total + attention + (places + 1) * 2048


def test_for_photographs_it_has_clips_weights_but_for_the_bias_of_keys() -> None:
    with torch.device("meta"):
        network = build_encoder("clip-resnet50", (1, 224, 224), channels=3)
    assert sum(weight.numel() for weight in network.parameters()) == 38_316_896 - 2048


@pytest.mark.parametrize("name", CLIP_BLOCKS)
@pytest.mark.parametrize(("size", "places"), [((96, 144, 192), 6 * 5 * 6), ((16, 64, 64), 4), ((1, 64, 96), 6)])
def test_the_number_of_weights(name: str, size: tuple[int, int, int], places: int) -> None:
    with torch.device("meta"):
        network = build_encoder(name, size)
    axes = 2 if size[0] == 1 else 3
    expected = clip_weights(CLIP_BLOCKS[name], axes, 1, places)
    assert sum(weight.numel() for weight in network.parameters()) == expected


def test_its_cost_at_the_papers_size() -> None:
    with torch.device("meta"):
        encoder, volume = build_encoder("clip-resnet50", (96, 144, 192)), torch.empty(1, 1, 96, 144, 192)
        with FlopCounterMode(display=False) as counter:
            assert encoder(volume).shape == (1, 1024)
    assert counter.get_total_flops() / 1e9 == pytest.approx(403, abs=1)  # as the docstring says


def test_features_are_1024_and_there_are_no_maps_at_several_scales() -> None:
    for name in CLIP_BLOCKS:
        assert NETWORKS[name].features == 1024
        assert not NETWORKS[name].scales
    assert set(CLIP_BLOCKS) == {name for name in NETWORKS if name.startswith("clip-")}


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((96, 144, 192), (6, 5, 6)),
        ((97, 145, 193), (7, 5, 7)),
        ((4, 16, 16), (1, 1, 1)),
        ((1, 33, 64), (2, 2)),
        ((5, 47, 100), (1, 2, 4)),
    ],
)
def test_the_last_map_has_the_announced_cells(size: tuple[int, int, int], expected: tuple[int, ...]) -> None:
    assert cells(size) == expected
    with torch.device("meta"):
        network = build_encoder(SMALL, size).network
        assert isinstance(network, ClipResnet)
        images = torch.empty(2, 1, *(size[1:] if size[0] == 1 else size))
        assert network.stages(network.stem(images)).shape == (2, 2048, *expected)


@pytest.mark.parametrize("size", [(8, 33, 20), (1, 33, 20)])
def test_all_strides_but_the_first_convolutions_are_averages(size: tuple[int, int, int]) -> None:
    flat = size[0] == 1
    convolution = nn.Conv2d if flat else nn.Conv3d
    modules = list(built(size).modules())
    strides = [set(each.stride) for each in modules if isinstance(each, convolution)]
    assert strides[0] == ({2} if flat else {1, 2})
    assert all(stride == {1} for stride in strides[1:])
    assert sum(isinstance(each, _Halve) for each in modules) == 1 + 2 * 3  # the stem's; three bodies, three shortcuts
    assert any(isinstance(each, nn.Conv2d) for each in modules) is flat


def test_z_is_halved_by_the_pools_alone() -> None:
    stem = built((8, 32, 32)).network.stem
    assert stem[0](torch.rand(1, 1, 8, 32, 32)).shape[2:] == (8, 16, 16)
    assert stem(torch.rand(1, 1, 8, 32, 32)).shape[2:] == (4, 8, 8)


def test_halving_takes_the_mean_of_the_cells_that_there_are() -> None:
    rows = torch.tensor([[1.0, 3.0, 5.0], [5.0, 7.0, 9.0], [0.0, 4.0, 8.0]])
    expected = torch.tensor([[4.0, 7.0], [2.0, 8.0]])
    assert torch.equal(_Halve()(rows[None, None])[0, 0], expected)
    assert torch.equal(_Halve()(rows[None, None, None])[0, 0], expected[None])  # one deep
    volume = torch.stack([rows, rows + 2, rows + 10])[None, None]
    assert torch.equal(_Halve()(volume)[0, 0], torch.stack([expected + 1, expected + 10]))


@pytest.mark.parametrize("size", [(8, 48, 40), (1, 48, 40)])
def test_every_block_starts_as_its_shortcut_and_every_weight_learns_from_the_second_step(
    size: tuple[int, int, int],
) -> None:
    encoder = built(size)
    images = torch.rand(3, 1, *size)
    for step in range(2):
        encoder.zero_grad()
        encoder(images).square().sum().backward()
        still = {name for name, weight in encoder.named_parameters() if weight.grad.abs().max() == 0}
        if step == 0:  # what is behind a norm of weight 0 waits one step
            assert still
            assert all(".body." in name for name in still)
            torch.optim.SGD(encoder.parameters(), lr=0.1).step()
        else:
            assert not still


def test_every_part_of_the_image_reaches_the_features() -> None:
    images = torch.rand(1, 1, 5, 33, 47, requires_grad=True)
    built((5, 33, 47)).eval()(images).square().sum().backward()
    assert (images.grad != 0).all()


def test_the_pool_is_torchs_attention_with_the_mean_as_only_query() -> None:
    torch.manual_seed(0)
    pool = AttentionPool(6, 128, 10).double()
    maps = torch.rand(3, 128, 2, 3, dtype=torch.float64)
    cell_rows = maps.flatten(2).permute(2, 0, 1)
    tokens = torch.cat([cell_rows.mean(dim=0, keepdim=True), cell_rows]) + pool.positions[:, None]
    expected, _ = multi_head_attention_forward(
        tokens[:1],
        tokens,
        tokens,
        128,
        2,  # heads of 64 channels
        None,
        torch.cat([pool.query.bias, torch.full((128,), 0.3, dtype=torch.float64), pool.value.bias]),  # any key bias
        None,
        None,
        False,
        0.0,
        pool.out.weight,
        pool.out.bias,
        training=False,
        need_weights=False,
        use_separate_proj_weight=True,
        q_proj_weight=pool.query.weight,
        k_proj_weight=pool.key.weight,
        v_proj_weight=pool.value.weight,
    )
    torch.testing.assert_close(pool(maps), expected[0])


def test_where_a_structure_lies_matters() -> None:
    """The positions are learned ones: without them the cells' order could not be seen."""
    pool, maps = AttentionPool(6, 128, 10), torch.rand(1, 128, 2, 3)
    elsewhere = maps.roll(1, dims=-1)
    assert not torch.allclose(pool(maps), pool(elsewhere))
    with torch.no_grad():
        pool.positions.zero_()
    torch.testing.assert_close(pool(maps), pool(elsewhere))


def test_another_size_than_its_own_does_not_pass() -> None:
    with pytest.raises(RuntimeError):
        built((8, 32, 64)).eval()(torch.rand(1, 1, 8, 64, 64))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((3, 64, 64), ["--size 3 64 64", SMALL, "4 16 16", "1 16 16 for one slice"]),
        ((1, 15, 64), ["--size 1 15 64", "1 16 16"]),
    ],
)
def test_small_sizes_are_refused(size: tuple[int, int, int], words: list[str]) -> None:
    with pytest.raises(BadInput) as refused:
        built(size)
    assert all(word in str(refused.value) for word in words), str(refused.value)


def test_every_norm_can_gather_its_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two ranks each batch norm is replaced by its twin, names and tensors stay, and so do the features."""
    encoder, images = built((4, 32, 32)), torch.rand(3, 1, 4, 32, 32)
    with torch.no_grad():
        before = encoder(images)
    names = list(encoder.state_dict())
    monkeypatch.setattr(gathered_norm, "world_size", lambda: 2)
    monkeypatch.setattr(gathered_norm, "_sum_over_ranks", lambda tensor: tensor)
    gathered_norm.gather_norms(encoder, torch.device("cpu"))
    norms = [each for each in encoder.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == 3 + 3 * 4 + 4
    assert all(isinstance(each, gathered_norm.GatheredBatchNorm) for each in norms)
    assert list(encoder.state_dict()) == names
    after = encoder(images)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    after.square().sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())


@pytest.mark.parametrize("size", [(4, 32, 32), (1, 32, 48)])
def test_features_in_bfloat16_are_near_those_of_fp32(size: tuple[int, int, int]) -> None:
    encoder, images = built(size).eval(), torch.rand(2, 1, *size)
    features = []
    for half in (False, True):
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            features.append(encoder(images).float())
        features[-1].square().mean().backward()
        assert all(torch.isfinite(weight.grad).all() for weight in encoder.parameters())
    assert torch.nn.functional.cosine_similarity(*features).min() > 0.99
