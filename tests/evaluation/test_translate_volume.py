"""Whole volumes through a generator of slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from torch import Tensor, nn

from medcl.evaluation.slice_steps import slice_steps
from medcl.evaluation.translate_volume import translate_volume
from medcl.networks.generator import Generator
from medcl.study.errors import BadInput, RunFailed

ROUNDING = 1e-5


class Normed(nn.Module):
    """A norm, and what makes of its numbers something in [0, 1]."""

    def __init__(self, affine: bool = False) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(1, affine=affine)

    def forward(self, slices: Tensor) -> Tensor:
        return (self.norm(slices[:, :, 0]) / 10 + 0.5).unsqueeze(2)


def generator() -> Generator:
    torch.manual_seed(0)
    made = Generator(4, 2)
    with torch.no_grad():
        for weights in made.parameters():
            weights.mul_(20)
    return made.eval()


def volume(seed: int = 0, shape: tuple[int, int, int] = (7, 24, 20)) -> np.ndarray:
    found = gaussian_filter(np.random.default_rng(seed).random(shape), (1, 2, 2))
    return ((found - found.min()) / np.ptp(found)).astype(np.float32)


@pytest.mark.parametrize("smooth", [0.0, 1.5])
def test_the_batch_size_changes_nothing(smooth: float) -> None:
    network = generator()
    whole = translate_volume(network, volume(), 7, smooth)
    assert whole.shape == (7, 24, 20)
    assert whole.dtype == np.float32
    assert whole.std() > 0.05
    for batch_size in (1, 2, 3, 100):
        assert np.abs(translate_volume(network, volume(), batch_size, smooth) - whole).max() < ROUNDING


def test_without_smoothing_every_slice_is_on_its_own() -> None:
    network = generator()
    with torch.inference_mode():
        alone = [network(torch.from_numpy(each)[None, None, None])[0, 0, 0].numpy() for each in volume()]
    assert np.abs(translate_volume(network, volume()) - np.stack(alone)).max() < ROUNDING


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("deviation", [0.7, 3.0])
def test_smoothed_norms_are_those_of_the_neighbourhood(deviation: float, affine: bool) -> None:
    network = Normed(affine).eval()
    if affine:
        network.norm.weight.data.fill_(0.5)
        network.norm.bias.data.fill_(2.0)
    image = volume().astype(np.float64)
    means, variances = (
        gaussian_filter1d(each, deviation, mode="nearest")[:, None, None]
        for each in (image.mean(axis=(1, 2)), image.var(axis=(1, 2)))
    )
    expected = (image - means) / np.sqrt(variances + network.norm.eps)
    expected = expected * 0.5 + 2 if affine else expected
    for batch_size in (2, 7):
        found = translate_volume(network, image.astype(np.float32), batch_size, deviation)
        assert np.abs(found - (expected / 10 + 0.5)).max() < ROUNDING


def test_smoothing_ends_the_flicker_that_a_neighbouring_structure_makes() -> None:
    image = gaussian_filter(np.random.default_rng(1).random((24, 64, 64)), (4, 3, 3))
    image = ((image - image.min()) / np.ptp(image)).astype(np.float32)  # which changes little from slice to slice
    image[::2, 50:] = 1.0  # but for a table that is in every second one
    away = slice(0, 30)
    steps = [
        slice_steps(image[:, away], translate_volume(generator(), image, 8, smooth)[:, away]) for smooth in (0.0, 2.0)
    ]
    assert steps[0] is not None
    assert steps[1] is not None
    assert steps[1] < 0.5 * steps[0]


def test_the_network_is_as_before_whatever_happens() -> None:
    network = generator()
    before = translate_volume(network, volume())
    translate_volume(network, volume(), smooth=2.0)
    with pytest.raises(BadInput):
        translate_volume(network, volume(shape=(3, 4, 4)), smooth=2.0)
    assert not any(each._forward_hooks for each in network.modules())
    assert np.array_equal(translate_volume(network, volume()), before)


def test_a_single_slice_has_no_neighbours() -> None:
    one = volume()[:1]
    assert np.array_equal(translate_volume(generator(), one, smooth=3.0), translate_volume(generator(), one))


def test_what_cannot_be_translated() -> None:
    with pytest.raises(BadInput, match="too small for the generator"):
        translate_volume(generator(), volume(shape=(3, 4, 4)))
    with pytest.raises(ValueError, match="evaluation mode"):
        translate_volume(generator().train(), volume())
    broken = generator()
    broken.last[1].bias.data.fill_(float("nan"))
    with pytest.raises(RunFailed, match="not finite"):
        translate_volume(broken, volume())
