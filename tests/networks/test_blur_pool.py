"""Halving and doubling without aliasing: by hand, beside independent forms, and what a bare stride would do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv_transpose2d, pad

from medcl.networks.blur_pool import BlurPool, BlurUpsample


def halved_by_hand(map_: np.ndarray) -> np.ndarray:
    """Weights (1, 2, 1) / 4 of mirrored neighbours along both axes, then every second cell."""
    mirrored = np.pad(map_, 1, mode="reflect")
    rows = (mirrored[:-2] + 2 * mirrored[1:-1] + mirrored[2:]) / 4
    return ((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4)[::2, ::2]


def doubled_by_hand(maps: Tensor) -> Tensor:
    """Zeros filled in between the cells and blurred with (1, 3, 3, 1) / 4, edges repeated, as the method is defined."""
    row = torch.tensor([1.0, 3, 3, 1], dtype=maps.dtype) / 4
    kernel = (row[:, None] * row).expand(maps.shape[1], 1, -1, -1)
    repeated = pad(maps, (1, 1, 1, 1), mode="replicate")
    full = conv_transpose2d(repeated, kernel, stride=2, groups=maps.shape[1])
    return full[..., 3:-3, 3:-3]


@pytest.mark.parametrize("size", [(2, 2), (6, 8), (7, 5)])
def test_halving_by_hand(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size, dtype=torch.float64)
    halved = BlurPool().double()(maps)
    assert halved.shape == (2, 3, -(-size[0] // 2), -(-size[1] // 2))
    for image in range(2):
        for channel in range(3):
            np.testing.assert_allclose(halved[image, channel], halved_by_hand(maps[image, channel].numpy()))


def test_a_cell_is_centred_on_twice_its_number() -> None:
    maps = torch.zeros(1, 1, 9, 9)
    maps[..., 4, 6] = 1
    halved = BlurPool()(maps)[0, 0]
    assert halved[2, 3] == 0.25
    assert halved.sum() == 0.25  # no other cell sees it


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 3)])
def test_doubling_is_filling_in_and_blurring(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size, dtype=torch.float64)
    doubled = BlurUpsample()(maps)
    assert doubled.shape == (2, 3, 2 * size[0], 2 * size[1])
    torch.testing.assert_close(doubled, doubled_by_hand(maps))


def test_what_is_constant_stays_so() -> None:
    maps = torch.full((1, 2, 7, 9), 3.0)
    assert torch.equal(BlurPool()(maps), torch.full((1, 2, 4, 5), 3.0))
    assert torch.equal(BlurUpsample()(maps), torch.full((1, 2, 14, 18), 3.0))


def spread_over_shifts(halve: torch.nn.Module) -> float:
    """How much the halved map of the finest stripes depends on where they begin."""
    stripes = torch.tensor([0.0, 1.0]).repeat(8).expand(1, 1, 16, 16)
    return (halve(stripes) - halve(stripes.roll(1, dims=3))).abs().max().item()


def test_the_finest_stripes_become_grey_wherever_they_begin() -> None:
    assert spread_over_shifts(BlurPool()) == 0


def test_a_bare_stride_is_noticed() -> None:
    assert spread_over_shifts(torch.nn.MaxPool2d(1, stride=2)) == 1


def test_there_is_nothing_to_learn_or_to_store() -> None:
    assert list(BlurPool().parameters()) == []
    assert BlurPool().state_dict() == {}


@pytest.mark.parametrize("module", [BlurPool(), BlurUpsample()])
def test_half_precision_is_near_single(module: torch.nn.Module) -> None:
    maps = torch.rand(2, 4, 9, 6)
    with torch.autocast("cpu", torch.bfloat16):
        half = module(maps.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), module(maps), atol=0.02, rtol=0.02)
