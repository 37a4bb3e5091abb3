from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from medcl.training.randomness import (
    capture_randomness,
    deterministic_algorithms,
    restore_randomness,
    seed_everything,
    untouched_randomness,
)

CPU = torch.device("cpu")


def draw() -> list[float]:
    """Some numbers of each generator, normal ones too, whose second half is kept for the next call."""
    return [random.random(), random.gauss(), np.random.rand(), np.random.randn(), *torch.randn(3).tolist()]


def test_a_seed_repeats_every_generator() -> None:
    seed_everything(7)
    first = draw()
    seed_everything(7)
    assert draw() == first
    seed_everything(8)
    assert all(one != other for one, other in zip(draw(), first, strict=True))


def test_state_goes_through_a_file_of_tensors_and_plain_types(tmp_path: Path) -> None:
    seed_everything(3)
    draw()
    torch.save(capture_randomness(CPU), tmp_path / "state.pt")
    expected = draw()
    seed_everything(4)
    restore_randomness(torch.load(tmp_path / "state.pt", weights_only=True), CPU)
    assert draw() == expected


def test_block_leaves_the_generators_as_they_were() -> None:
    seed_everything(5)
    expected = draw()
    seed_everything(5)
    with untouched_randomness(CPU):
        draw()
    assert draw() == expected


def test_deterministic_algorithms_only_within_the_block() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    with deterministic_algorithms(CPU):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory == fill
    with deterministic_algorithms(torch.device("cuda")):
        assert not torch.are_deterministic_algorithms_enabled()
