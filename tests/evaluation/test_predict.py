"""Probabilities of whole images, slices and windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.evaluation.predict import predict
from medcl.networks.segmenter import Segmenter, build_segmenter
from medcl.study.errors import BadInput, RunFailed


@pytest.fixture(scope="module")
def flat() -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter("resnet10", (1, 32, 32), 3).eval()


@pytest.fixture(scope="module")
def solid() -> Segmenter:
    torch.manual_seed(0)
    return build_segmenter("resnet10", (8, 32, 32), 3, ("bilinear",)).eval()


def image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def test_slices_go_through_alone_whatever_the_batch(flat: Segmenter) -> None:
    volume = image(5, 32, 32)
    found = predict(flat, volume, batch_size=2)
    assert found.shape == (3, 5, 32, 32)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-5)
    for place in range(5):
        with torch.inference_mode():
            one = flat.probabilities(torch.from_numpy(volume[place])[None, None, None])[0, :, 0]
        assert np.allclose(found[:, place], one, atol=1e-5)
    assert np.allclose(found, predict(flat, volume, batch_size=5), atol=1e-5)


def test_the_decoders_alone_and_their_mean(flat: Segmenter) -> None:
    volume = image(2, 32, 32)
    first, second, mean = (predict(flat, volume, decoder=each) for each in ("first", "second", "mean"))
    assert np.abs(first - second).max() > 1e-3
    assert np.allclose((first + second) / 2, mean, atol=1e-5)


def test_a_volume_of_the_networks_size_goes_through_whole(solid: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.evaluation.predict._by_windows", None)
    volume = image(8, 32, 32)
    with torch.inference_mode():
        expected = solid.probabilities(torch.from_numpy(volume)[None, None])[0]
    assert np.allclose(predict(solid, volume), expected, atol=1e-6)
    with pytest.raises(BadInput, match="--decoder second"):
        predict(solid, volume, decoder="second")


class Pointwise(nn.Module):
    """A network of a size whose answer at a voxel depends on that voxel alone, so that windows must agree with it."""

    def __init__(self, size: tuple[int, int, int]) -> None:
        super().__init__()
        self.encoder = nn.Linear(1, 1)
        self.encoder.size = size  # type: ignore[assignment]
        self.classes = 2
        self.seen: list[tuple[int, ...]] = []

    def probabilities(self, volumes: Tensor) -> Tensor:
        self.seen.append(tuple(volumes.shape))
        return torch.cat([1 - volumes, volumes], dim=1)


@pytest.mark.parametrize(
    ("size", "shape"),
    [((4, 8, 8), (9, 13, 8)), ((1, 8, 8), (3, 20, 11)), ((4, 8, 8), (3, 6, 20)), ((1, 8, 8), (2, 8, 8))],
)
def test_windows_cover_every_voxel(size: tuple[int, int, int], shape: tuple[int, int, int]) -> None:
    network = Pointwise(size).eval()
    volume = image(*shape)
    found = predict(network, volume, batch_size=3)  # type: ignore[arg-type]
    assert np.allclose(found, np.stack([1 - volume, volume]), atol=1e-5)
    assert {seen[2:] for seen in network.seen} == {size}
    assert max(seen[0] for seen in network.seen) <= 3


def test_a_larger_volume_goes_by_windows_of_the_network(solid: Segmenter) -> None:
    found = predict(solid, image(12, 40, 32), batch_size=2)
    assert found.shape == (3, 12, 40, 32)
    assert np.allclose(found.sum(axis=0), 1, atol=1e-4)


def test_probabilities_that_are_not_finite_are_refused() -> None:
    network = Pointwise((1, 8, 8)).eval()
    volume = image(1, 8, 8)
    volume[0, 0, 0] = np.nan
    with pytest.raises(RunFailed, match="not finite"):
        predict(network, volume)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="evaluation mode"):
        predict(network.train(), volume)  # type: ignore[arg-type]
