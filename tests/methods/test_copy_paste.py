from __future__ import annotations

import numpy as np
import pytest
import torch

from medcl.methods.copy_paste import BOX_SHARE, Mixed, copy_paste

SIZES = [(1, 12, 9), (6, 12, 9)]


def mixed(size: tuple[int, ...], seed: int = 0, step: int = 3) -> Mixed:
    labelled = torch.arange(1.0, 3).view(2, 1, 1, 1, 1).expand(2, 1, *size)
    unlabelled = -torch.arange(1.0, 4).view(3, 1, 1, 1, 1).expand(3, 1, *size)
    return copy_paste(labelled, unlabelled, np.arange(3), seed, step)


@pytest.mark.parametrize("size", SIZES)
def test_every_voxel_comes_from_the_image_that_is_told(size: tuple[int, ...]) -> None:
    result = mixed(size)
    assert result.volumes.shape == (6, 1, *size)
    whose = result.join(
        torch.arange(1.0, 3).view(2, 1, 1, 1).expand(2, *size), -torch.arange(1.0, 4).view(3, 1, 1, 1).expand(3, *size)
    )
    assert torch.equal(whose, result.volumes[:, 0])
    assert torch.equal(result.truth, result.volumes[:, 0] > 0)


@pytest.mark.parametrize("size", SIZES)
def test_the_box_has_two_thirds_of_each_side_and_both_ways_are_complements(size: tuple[int, ...]) -> None:
    result = mixed(size)
    box = np.prod([n if n == 1 else round(BOX_SHARE * n) for n in size])
    assert (~result.truth[:3]).flatten(1).sum(dim=1).tolist() == [box] * 3
    assert torch.equal(result.truth[:3], ~result.truth[3:])


def test_seed_step_and_key_settle_it() -> None:
    size = SIZES[1]
    assert torch.equal(mixed(size).truth, mixed(size).truth)
    assert not torch.equal(mixed(size).truth, mixed(size, step=4).truth)
    assert not torch.equal(mixed(size).truth, mixed(size, seed=1).truth)
    assert not torch.equal(mixed(size).truth[0], mixed(size).truth[1])
