"""The patch heads: there before the first slice, one a tap, embeddings of the cells asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.networks.generator import Generator
from medcl.networks.patch_positions import draw_positions
from medcl.networks.patch_projection import PatchProjection
from medcl.networks.taps import PAPER_TAPS

NAMES = ("input", "down2", "block2")
SIZE = (16, 20)


def parts(names: tuple[str, ...] = NAMES) -> tuple[Generator, PatchProjection]:
    torch.manual_seed(0)
    generator = Generator(4, 2)
    return generator, PatchProjection(generator.tap_channels(names), width=8)


def positions(count: int = 6) -> dict[str, Tensor]:
    random = [np.random.default_rng(seed) for seed in (0, 1)]
    return {name: draw_positions(name, SIZE, random, count) for name in NAMES}


def slices() -> Tensor:
    return torch.rand(2, 1, 1, *SIZE, generator=torch.Generator().manual_seed(1))


def test_the_weights_exist_before_the_first_slice() -> None:
    generator = Generator()
    projection = PatchProjection(generator.tap_channels(PAPER_TAPS))
    names = [name for name, _ in projection.named_parameters()]
    assert len(names) == 4 * len(PAPER_TAPS)
    assert all([type(each) for each in head] == [nn.Linear, nn.ReLU, nn.Linear] for head in projection.heads.values())
    assert sum(weight.numel() for weight in projection.parameters()) == sum(
        (channels + 1) * 256 + 257 * 256 for channels in (1, 128, 256, 256, 256)
    )
    before = list(projection.state_dict())
    taps = generator.taps(torch.rand(1, 1, 1, 12, 12), PAPER_TAPS)
    projection(taps, {name: torch.zeros(1, 1, dtype=torch.int64) for name in PAPER_TAPS})
    assert list(projection.state_dict()) == before


def test_embeddings_are_those_of_the_cells_asked_for() -> None:
    generator, projection = parts()
    taps, where = generator.taps(slices(), NAMES), positions()
    embeddings = projection(taps, where)
    assert list(embeddings) == list(NAMES)
    for name in NAMES:
        assert embeddings[name].shape == (2, 6, 8)
        for image in range(2):
            for place, cell in enumerate(where[name][image].tolist()):
                y, x = divmod(cell, taps[name].shape[3])
                alone = projection.heads[name](taps[name][image, :, y, x])
                torch.testing.assert_close(embeddings[name][image, place], alone / alone.norm())


def test_embeddings_have_length_one_whatever_the_maps_size() -> None:
    generator, projection = parts()
    taps, where = generator.taps(slices(), NAMES), positions()
    for scale in (1.0, 1e4):
        lengths = [each.norm(dim=2) for each in projection({n: scale * m for n, m in taps.items()}, where).values()]
        torch.testing.assert_close(torch.stack(lengths), torch.ones(3, 2, 6))


def test_each_tap_has_its_own_head_and_only_given_taps_are_used() -> None:
    generator, projection = parts()
    taps, where = generator.taps(slices(), NAMES), positions()
    projection({"down2": taps["down2"]}, where)["down2"].sum().backward()
    trained = {name.split(".")[1] for name, weight in projection.named_parameters() if weight.grad is not None}
    assert trained == {"down2"}


def test_only_the_cells_asked_for_get_a_gradient() -> None:
    _, projection = parts()
    map_ = torch.rand(2, 16, 8, 10, requires_grad=True)
    where = torch.tensor([[0, 13], [79, 5]])
    embeddings = projection({"down2": map_}, {"down2": where})["down2"]
    (embeddings * torch.randn_like(embeddings)).sum().backward()
    touched = map_.grad.abs().sum(dim=1).flatten(1) > 0
    assert [row.nonzero()[:, 0].tolist() for row in touched] == [[0, 13], [5, 79]]


def test_a_tap_without_a_head_or_positions_is_an_error() -> None:
    _, projection = parts()
    with pytest.raises(KeyError, match="stem"):
        projection({"stem": torch.rand(1, 4, 4, 4)}, {"stem": torch.zeros(1, 1, dtype=torch.int64)})
    with pytest.raises(KeyError, match="down2"):
        projection({"down2": torch.rand(1, 16, 4, 4)}, {})


def test_mixed_precision_scales_in_full_and_is_near() -> None:
    generator, projection = parts()
    taps, where = generator.taps(slices(), NAMES), positions()
    full = projection(taps, where)
    with torch.autocast("cpu", torch.bfloat16):
        half = projection({name: map_.to(torch.bfloat16) for name, map_ in taps.items()}, where)
    for name in NAMES:
        assert half[name].dtype == torch.float32
        torch.testing.assert_close(half[name].norm(dim=2), torch.ones(2, 6))
        assert ((half[name] * full[name]).sum(dim=2) > 0.99).all()
    double = projection.double()({name: map_.double() for name, map_ in taps.items()}, where)
    assert all(each.dtype == torch.float64 for each in double.values())
