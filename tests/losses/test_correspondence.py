"""Cells of two views that show one place: known moves are recovered, by features and by geometry."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from medcl.losses.correspondence import feature_matches, geometric_matches

MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "flip": lambda cells: cells.flip(-1),
    "quarter turn": lambda cells: cells.rot90(1, (-2, -1)),
    "roll": lambda cells: cells.roll((1, 2), (-2, -1)),
}


def numbers(shape: tuple[int, int, int]) -> Tensor:
    """A grid that holds each cell's own number, (1, 1, D, H, W)."""
    return torch.arange(math.prod(shape)).reshape(1, 1, *shape)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("shape", [(1, 6, 6), (3, 4, 4)])
def test_features_recover_an_exact_move(move: str, shape: tuple[int, int, int]) -> None:
    features = torch.randn(2, 16, *shape, generator=torch.Generator().manual_seed(0))
    moved = MOVES[move](features) * 3  # the length of a cell's features does not matter
    found = feature_matches(features, moved)
    there = MOVES[move](numbers(shape)).flatten()  # which cell now lies in each place
    for image in range(2):
        assert torch.equal(there[found[image]], torch.arange(math.prod(shape)))


def test_features_are_compared_within_their_image_and_without_gradient() -> None:
    features = torch.randn(2, 8, 1, 3, 3, requires_grad=True)
    found = feature_matches(features, features.flip(0))
    assert not found.requires_grad
    assert not torch.equal(found[0], torch.arange(9))


IDENTITY = torch.eye(3, 4, dtype=torch.float64)
STRIDE, SIZE, CELLS = (1, 32, 32), (1, 192, 192), (1, 6, 6)


def matches(view: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    found, there = geometric_matches(view[None], other[None], CELLS, SIZE, STRIDE)
    return found[0].reshape(6, 6), there[0].reshape(6, 6)


def turned(quarters: int) -> Tensor:
    """The view is the stored image turned about z, as torch counts it."""
    theta = torch.zeros(3, 4, dtype=torch.float64)
    angle = quarters * math.pi / 2
    theta[0, :2] = torch.tensor([math.cos(angle), -math.sin(angle)])
    theta[1, :2] = torch.tensor([math.sin(angle), math.cos(angle)])
    theta[2, 2] = 1
    return theta


def test_the_same_view_matches_cell_by_cell() -> None:
    found, there = matches(IDENTITY, IDENTITY)
    assert there.all()
    assert torch.equal(found, torch.arange(36).reshape(6, 6))


def test_a_flip_by_geometry() -> None:
    """Cell i is centred on voxel 32 i, which a flip of 192 voxels takes to 191 - 32 i: next to cell 6 - i."""
    flip = IDENTITY.clone()
    flip[0, 0] = -1
    for pair in ((IDENTITY, flip), (flip, IDENTITY)):
        found, there = matches(*pair)
        assert not there[:, 0].any()
        assert there[:, 1:].all()
        assert torch.equal(found[:, 1:], numbers(CELLS)[0, 0, 0].flip(-1)[:, :5])


def test_a_quarter_turn_by_geometry() -> None:
    found, there = matches(IDENTITY, turned(1))
    assert int(there.sum()) == 30
    for y in range(6):
        for x in range(6):
            if there[y, x]:
                # the point (x, y) of the stored image lies where the turn takes it from
                assert {int(found[y, x]) // 6, int(found[y, x]) % 6} <= {x, 6 - y, y, 6 - x}
    back, there_back = matches(turned(1), IDENTITY)
    assert int(there_back.sum()) == 30
    forth = found[there]
    assert torch.equal(back.flatten()[forth], torch.arange(36)[there.flatten()])


def test_a_crop_is_matched_in_the_overlap_only() -> None:
    """The other view shows the right half along x, twice as large: cells 3, 4, 5 lie on its cells 0, 2, 4."""
    crop = IDENTITY.clone()
    crop[0, 0], crop[0, 3] = 0.5, 0.5
    found, there = matches(IDENTITY, crop)
    assert there.tolist() == [[False] * 3 + [True] * 3] * 6
    assert (found[:, 3:] % 6).tolist() == [[0, 2, 4]] * 6
    assert torch.equal(found[:, 3:] // 6, torch.arange(6)[:, None].expand(6, 3))
    back, there_back = matches(crop, IDENTITY)
    assert there_back.all()
    # voxel 32 i of the half is voxel 95.75 + 16 i of the image, cell 2.99 + i / 2
    assert (back % 6)[0].tolist() == [3, 3, 4, 4, 5, 5]


def test_views_without_overlap_have_no_matches() -> None:
    left, right = IDENTITY.clone(), IDENTITY.clone()
    left[0, 0], left[0, 3] = 0.4, -0.6
    right[0, 0], right[0, 3] = 0.4, 0.6
    _, there = matches(left, right)
    assert not there.any()


def test_what_lies_outside_of_the_stored_image_is_no_match() -> None:
    """Two equal views that show the image at half its size: only the middle is image, the border is filling."""
    small = IDENTITY.clone()
    small[:2, :2] *= 2
    found, there = matches(small, small)
    assert there.tolist() == [[1 < y < 5 and 1 < x < 5 for x in range(6)] for y in range(6)]
    assert torch.equal(found[there], torch.arange(36).reshape(6, 6)[there])


def test_matched_cells_show_the_same_voxel_of_a_stored_volume() -> None:
    """Against torch's own sampling: a volume that holds its coordinates, seen in two random views."""
    generator = torch.Generator().manual_seed(3)
    size, stride, cells = (32, 48, 64), (8, 16, 16), (4, 3, 4)
    axes = [torch.arange(n, dtype=torch.float64) for n in size]
    stored = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    thetas = torch.eye(3, 4, dtype=torch.float64) + 0.15 * torch.randn(
        2, 3, 4, generator=generator, dtype=torch.float64
    )
    grids = [affine_grid(theta[None], [1, 3, *size], align_corners=False) for theta in thetas]
    seen = [grid_sample(stored, grid, padding_mode="border", align_corners=False)[0] for grid in grids]
    centres = [view[:, :: stride[0], :: stride[1], :: stride[2]].flatten(1) for view in seen]
    found, there = geometric_matches(thetas[:1], thetas[1:], cells, size, stride)
    assert 8 < int(there.sum()) < 48
    apart = (centres[0][:, there[0]] - centres[1][:, found[0][there[0]]]).abs().T
    assert (apart / torch.tensor(stride)).max() < 0.5 * 1.8  # half a cell of the view, a little more in the image
    wrong = centres[0][:, there[0]] - centres[1][:, there[0].nonzero().flatten()]  # the same index: no match
    assert wrong.norm(dim=0).mean() > 1.5 * apart.norm(dim=1).mean()
