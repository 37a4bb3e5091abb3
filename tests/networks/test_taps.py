"""The taps' table beside the generator itself: receptive fields and centres by gradients, sizes, order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from medcl.networks.generator import Generator
from medcl.networks.taps import PAPER_TAPS, STEM_TAPS, TAPS

SIDE = 140


def transparent(network: nn.Module) -> nn.Module:
    """Without norms, through which every cell sees its map, and with weights above 0, so that nothing cancels."""
    for name, module in list(network.named_children()):
        if isinstance(module, nn.InstanceNorm2d):
            setattr(network, name, nn.Identity())
        else:
            transparent(module)
    for weight in network.parameters():
        weight.data.abs_().add_(1e-2)
    return network.double()


def seen_by(map_: Tensor, cell: tuple[int, int], image: Tensor) -> list[tuple[int, int]]:
    """First and last pixel along y and along x that one cell depends on."""
    (gradient,) = torch.autograd.grad(map_[0, 0, cell[0], cell[1]], image)
    nonzero = gradient[0, 0, 0] != 0
    return [(int(where.min()), int(where.max())) for where in (nonzero.any(1).nonzero(), nonzero.any(0).nonzero())]


@pytest.mark.parametrize(
    ("name", "receptive_field"),
    [("input", 1), ("stem", 7), ("down1", 9), ("down2", 15), ("block1", 35), ("block2", 51), ("block5", 99)],
)
def test_receptive_fields_and_centres(name: str, receptive_field: int) -> None:
    tap, generator = TAPS[name], transparent(Generator(filters=1, blocks=5))
    assert tap.receptive_field == receptive_field
    image = (0.6 + 0.4 * torch.rand(1, 1, 1, SIDE, SIDE + 8, dtype=torch.float64)).requires_grad_()
    map_ = generator.taps(image, [name])[name]
    cell = (map_.shape[2] // 2, map_.shape[3] // 2 + 1)
    centre = [tap.stride * (each - tap.margin) for each in cell]
    half = receptive_field // 2
    assert seen_by(map_, cell, image) == [(at - half, at + half) for at in centre]


def test_a_wider_kernel_would_be_noticed() -> None:
    generator = transparent(Generator(filters=1, blocks=1))
    generator.down1 = nn.Conv2d(1, 2, 5, padding=2, dtype=torch.float64)
    image = torch.ones(1, 1, 1, SIDE, SIDE, dtype=torch.float64, requires_grad=True)
    (low, high), _ = seen_by(generator.taps(image, ["down1"])["down1"], (70, 70), image)
    assert high - low + 1 == 11 != TAPS["down1"].receptive_field


@pytest.mark.parametrize("size", [(5, 6), (16, 16), (17, 22), (31, 35)])
def test_cells_are_those_of_the_maps(size: tuple[int, int]) -> None:
    generator = Generator(filters=2, blocks=9)
    assert generator.names == tuple(TAPS)
    with torch.inference_mode():
        maps = generator.taps(torch.rand(1, 1, 1, *size), generator.names)
    assert {name: tuple(map_.shape[2:]) for name, map_ in maps.items()} == {
        name: (tap.cells(size[0]), tap.cells(size[1])) for name, tap in TAPS.items()
    }


def test_the_papers_taps_and_ours_differ_in_the_first() -> None:
    assert [TAPS[name].receptive_field for name in PAPER_TAPS] == [1, 9, 15, 35, 99]
    assert [TAPS[name].receptive_field for name in STEM_TAPS] == [7, 9, 15, 35, 99]
    assert PAPER_TAPS[1:] == STEM_TAPS[1:]
