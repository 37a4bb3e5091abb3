"""Encoding: right rows for right images whatever the batch size, one buffer, nothing that is not finite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from medcl.evaluation.encode import encode
from medcl.study.errors import RunFailed


@dataclass(frozen=True)
class Entry:
    case: str
    value: float
    shape: tuple[int, int, int] = (2, 3, 4)


class Store:
    """Volumes of one value; remembers the buffers it was given."""

    def __init__(self) -> None:
        self.bases: set[int] = set()

    def read(self, entry: Entry, out: np.ndarray | None = None) -> np.ndarray:
        assert out is not None
        self.bases.add(id(out.base))
        out[...] = entry.value
        return out


class Mean(nn.Module):
    """Mean and a constant; refuses another shape than (B, 1, 2, 3, 4)."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        assert volumes.shape[1:] == (1, 2, 3, 4)
        means = volumes.mean(dim=(1, 2, 3, 4))
        return torch.stack([means, torch.ones_like(means)], dim=1)


ENTRIES = [Entry(f"c{place}", float(place)) for place in range(7)]
CPU = torch.device("cpu")


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_rows_belong_to_their_images(batch_size: int) -> None:
    store = Store()
    batches = list(encode(store, ENTRIES, Mean().eval(), batch_size=batch_size, device=CPU))
    assert [entry for batch, _ in batches for entry in batch] == ENTRIES
    rows = np.concatenate([rows for _, rows in batches])
    np.testing.assert_array_equal(rows, [[float(place), 1] for place in range(7)])
    assert max(len(batch) for batch, _ in batches) == min(batch_size, 7)
    assert len(store.bases) == 1, "one buffer is used again"


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluation mode"):
        next(encode(Store(), ENTRIES, Mean().train(), batch_size=2, device=CPU))


def test_what_is_not_finite_stops_and_names_the_images() -> None:
    entries = [*ENTRIES, Entry("broken", float("nan"))]
    with pytest.raises(RunFailed, match="not finite for broken"):
        list(encode(Store(), entries, Mean().eval(), batch_size=3, device=CPU))


def test_no_images_no_batches() -> None:
    assert list(encode(Store(), [], Mean().eval(), batch_size=3, device=CPU)) == []


@dataclass(frozen=True)
class Stack:
    case: str
    values: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.values), 3, 4


class SliceStore(Store):
    """Slices of one value each."""

    def read(self, entry: Stack, out: np.ndarray | None = None, slice: int | None = None) -> np.ndarray:  # type: ignore[override]
        assert out is not None
        assert slice is not None
        self.bases.add(id(out.base))
        out[...] = entry.values[slice]
        return out


class Square(nn.Module):
    """The square of the mean, so that a mean of features is no feature of the mean."""

    def forward(self, volumes: torch.Tensor) -> torch.Tensor:
        assert volumes.shape[1:] == (1, 1, 3, 4)
        return volumes.mean(dim=(1, 2, 3, 4))[:, None] ** 2


STACKS = [Stack("a", (1.0, 2.0, 3.0)), Stack("b", (4.0,)), Stack("c", (0.0, 6.0)), Stack("d", tuple([2.0] * 9))]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 100])
def test_an_image_has_the_mean_of_its_slices_features(batch_size: int) -> None:
    store = SliceStore()
    batches = list(encode(store, STACKS, Square().eval(), batch_size=batch_size, device=CPU, slices=True))
    assert [entry for batch, _ in batches for entry in batch] == STACKS
    rows = np.concatenate([rows for _, rows in batches])
    np.testing.assert_allclose(rows[:, 0], [14 / 3, 16, 18, 4], rtol=1e-6)
    assert rows.dtype == np.float32
    assert len(store.bases) == 1


def test_a_slice_that_is_not_finite_names_its_image_once() -> None:
    stacks = [*STACKS, Stack("broken", (float("nan"), float("nan")))]
    with pytest.raises(RunFailed, match="not finite for broken:"):
        list(encode(SliceStore(), stacks, Square().eval(), batch_size=3, device=CPU, slices=True))
