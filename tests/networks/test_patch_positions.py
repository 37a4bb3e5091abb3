"""Positions: without replacement, each image its own, and the labels that lie there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medcl.networks.patch_positions import PATCHES, draw_positions, labels_at
from medcl.networks.taps import TAPS


def drawn(name: str, size: tuple[int, int], *seeds: int, count: int = PATCHES) -> torch.Tensor:
    return draw_positions(name, size, [np.random.default_rng(seed) for seed in seeds], count)


@pytest.mark.parametrize("name", ["input", "stem", "down2", "block5"])
def test_no_cell_comes_twice_and_all_lie_in_the_map(name: str) -> None:
    positions = drawn(name, (80, 68), 0, 1, 2)
    assert positions.shape == (3, 256)
    assert positions.dtype == torch.int64
    assert all(len(set(row)) == 256 for row in positions.tolist())
    assert positions.min() >= 0
    assert positions.max() < TAPS[name].cells(80) * TAPS[name].cells(68)


def test_a_map_of_fewer_cells_gives_all_of_them() -> None:
    positions = drawn("block1", (18, 12), 0, 1)  # 5 x 3 cells
    assert [sorted(row) for row in positions.tolist()] == [list(range(15))] * 2


def test_every_cell_is_as_likely() -> None:
    positions = drawn("block1", (16, 16), *range(400), count=4)
    times = torch.bincount(positions.flatten(), minlength=16)
    assert (times > 50).all()  # 100 expected
    assert (times < 160).all()


def test_an_images_positions_depend_on_its_generator_alone() -> None:
    assert torch.equal(drawn("down1", (32, 32), 5, 7)[1], drawn("down1", (32, 32), 7)[0])
    assert not torch.equal(*drawn("down1", (32, 32), 5, 7))


def test_two_taps_of_one_generator_get_different_positions() -> None:
    generator = np.random.default_rng(0)
    first, second = (draw_positions(name, (64, 64), [generator]) for name in ("block1", "block5"))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("size", [(16, 20), (17, 22), (5, 7)])
@pytest.mark.parametrize("name", ["input", "stem", "down1", "down2", "block1", "block5"])
def test_labels_are_those_under_the_cells(name: str, size: tuple[int, int]) -> None:
    labels = torch.arange(2 * size[0] * size[1]).reshape(2, 1, 1, *size)
    tap = TAPS[name]
    maps = labels[:, 0, 0].numpy()[:, :: tap.stride, :: tap.stride]
    maps = np.pad(maps, ((0, 0), (tap.margin,) * 2, (tap.margin,) * 2), mode="reflect")
    everywhere = torch.arange(maps[0].size).expand(2, -1)
    assert torch.equal(labels_at(name, everywhere, labels), torch.from_numpy(maps.reshape(2, -1)))
    some = drawn(name, size, 3, 4, count=9)
    assert torch.equal(labels_at(name, some, labels), torch.from_numpy(maps.reshape(2, -1)).gather(1, some))
