"""The U-Net: sizes, supervised levels, skip connections, refusals, and the doors that prediction uses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.evaluation.predict import predict
from medcl.networks.unet import LEAST, UNet
from medcl.study.errors import BadInput

WIDTHS = (4, 6, 8, 10, 12)


def small(classes: int = 3, deep: int = 0) -> UNet:
    torch.manual_seed(0)
    return UNet((1, 32, 32), classes, WIDTHS, deep)


def slices(images: int = 2, size: tuple[int, int] = (32, 32)) -> Tensor:
    return torch.rand(images, 1, 1, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(17, 17), (32, 48), (33, 47)])
@pytest.mark.parametrize("images", [1, 3])
def test_logits_have_the_slices_size(size: tuple[int, int], images: int) -> None:
    unet, given = small(), slices(images, size)
    (logits,) = unet(given)
    assert logits.shape == (images, 3, 1, *size)
    probabilities = unet.probabilities(given)
    torch.testing.assert_close(probabilities, logits.softmax(dim=1))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(images, 1, *size))


def test_the_network_of_the_plan() -> None:
    with torch.device("meta"):
        unet = UNet((1, 256, 256), 5)
        assert [each.shape for each in unet(torch.empty(2, 1, 1, 256, 256))] == [(2, 5, 1, 256, 256)]
        maps = unet.encoder(torch.empty(2, 1, 1, 256, 256))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (32, 256, 256),
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 32),
        (512, 16, 16),
    ]
    assert sum(weight.numel() for weight in unet.parameters()) == 7_762_498 + 3 * 33
    assert {each.negative_slope for each in unet.modules() if isinstance(each, nn.LeakyReLU)} == {0.01}
    kinds = {type(module).__name__ for module in unet.modules()}
    assert {"InstanceNorm2d", "LeakyReLU"} <= kinds
    assert "BatchNorm2d" not in kinds


def test_supervised_levels_give_logits_of_the_slices_size() -> None:
    outputs = [small(deep=deep)(slices(2, (33, 40))) for deep in range(4)]
    assert [[tuple(each.shape) for each in output] for output in outputs] == [
        [(2, 3, 1, 33, 40)] * (deep + 1) for deep in range(4)
    ]
    coarse = outputs[3][3][0, 0, 0]  # of every eighth pixel: linear in between, so bends are rare
    fine = outputs[3][0][0, 0, 0]
    bends = [(each[:, 2:] - 2 * each[:, 1:-1] + each[:, :-2]).abs() > 1e-4 for each in (coarse, fine)]
    assert bends[0].float().mean() < 0.5 * bends[1].float().mean()


def test_probabilities_are_those_of_the_finest_level() -> None:
    unet, given = small(deep=3), slices()
    torch.testing.assert_close(unet.probabilities(given), unet(given)[0].softmax(dim=1))


def test_each_supervised_level_trains_what_leads_to_it() -> None:
    unet = small(deep=3)
    for number in range(4):
        unet.zero_grad()
        unet(slices())[number].square().sum().backward()
        ways = unet.decoders[0].convolve  # the coarsest first
        trained = [all(w.grad is not None for w in way.parameters()) for way in ways]
        assert trained == [place < len(WIDTHS) - 1 - number for place in range(len(WIDTHS) - 1)]


def test_the_skip_connections_reach_the_logits() -> None:
    unet, given = small(), slices()
    maps = unet.encoder(given)
    before = unet.decoders[0](maps)[0]
    for level in range(len(WIDTHS)):
        changed = [map_ * 2 if place == level else map_ for place, map_ in enumerate(maps)]
        assert not torch.allclose(unet.decoders[0](changed)[0], before, atol=1e-3)


def test_every_weight_is_trained() -> None:
    unet = small(deep=3)
    sum(each.square().mean() for each in unet(slices())).backward()
    untrained = [name for name, weight in unet.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untrained == []


def test_a_slice_does_not_depend_on_its_batch() -> None:
    unet, given = small().double(), slices(3).double()
    torch.testing.assert_close(unet(given)[0][1:2], unet(given[1:2])[0])


def test_predict_takes_it_like_a_segmenter() -> None:
    unet = small(deep=2).eval()
    volume = np.random.default_rng(0).random((5, 32, 32), dtype=np.float32)
    found = predict(unet, volume, batch_size=2)
    assert found.shape == (3, 5, 32, 32)
    alone = unet.probabilities(torch.from_numpy(volume[3])[None, None, None])[0, :, 0]
    np.testing.assert_allclose(found[:, 3], alone.detach(), atol=1e-5)


def test_gradients_in_bfloat16_are_near_those_of_fp32() -> None:
    unet, given = small(), slices()
    gradients = []
    for half in (False, True):
        unet.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            (logits,) = unet(given)
            assert unet.probabilities(given).dtype == torch.float32
        logits.float().square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in unet.parameters()]))
    assert torch.isfinite(gradients[1]).all()
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.1, atol=0.1 * float(gradients[0].abs().max()))


def test_double_stays_double() -> None:
    unet = small().double()
    assert unet(slices().double())[0].dtype == unet.probabilities(slices().double()).dtype == torch.float64


def test_the_smallest_slice_trains_and_a_smaller_one_is_refused() -> None:
    small().train()(slices(1, (LEAST, LEAST)))[0].sum().backward()
    with pytest.raises(BadInput, match=r"--size 1 16 32 .* U-Net: it needs at least 1 17 17"):
        small()(slices(1, (16, 32)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((1, 32, 16), 3), "--size 1 32 16"),
        (((4, 32, 32), 3), "single slices"),
        (((1, 32, 32), 1), "background"),
        (((1, 32, 32), 3, WIDTHS, 4), "supervision of 4 levels: a U-Net of 5 has 0 to 3"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(arguments: tuple, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        UNet(*arguments)
