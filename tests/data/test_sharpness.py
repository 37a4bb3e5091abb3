"""Unsharp masking within slices, against SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medcl.data.augment import apply, draw
from medcl.data.augmentation import Augmentation
from medcl.data.sharpness import SIGMA, sharpen

STILL = Augmentation(flip_probability=0, affine_probability=0, blur_probability=0, noise_probability=0)
AMOUNTS = torch.tensor([0.7, 0.0, -0.6, -1.0], dtype=torch.float64)


def volumes(size: tuple[int, int, int] = (3, 12, 10), count: int = 4) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(3, 12, 10), (1, 9, 14), (2, 3, 3)])
def test_detail_within_each_slice_is_added_or_taken_away(size: tuple[int, int, int]) -> None:
    found = sharpen(volumes(size), AMOUNTS)
    for before, amount, after in zip(volumes(size), AMOUNTS, found, strict=True):
        image = before[0].double().numpy()
        radii = [0, *(min(4, n) for n in size[1:])]
        soft = gaussian_filter(image, [0, SIGMA, SIGMA], mode="reflect", radius=radii)
        np.testing.assert_allclose(after[0], image + amount.item() * (image - soft), atol=1e-5)
    assert torch.equal(found[1], volumes(size)[1])


def test_above_0_is_sharper_and_below_softer() -> None:
    edge = torch.cat([torch.full((1, 1, 1, 8, 5), 0.2), torch.full((1, 1, 1, 8, 5), 0.8)], dim=4)
    slopes = [sharpen(edge.clone(), torch.tensor([a])).diff(dim=4).max().item() for a in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    assert slopes == sorted(slopes)
    assert slopes[0] < 0.6 * slopes[2] < slopes[2] < 0.7 * slopes[4]
    flat = torch.full((1, 1, 3, 8, 8), 0.4)
    torch.testing.assert_close(sharpen(flat.clone(), torch.tensor([1.0])), flat)


def test_amounts_are_drawn_around_0_with_their_probability() -> None:
    draws = draw(0, 0, np.arange(4000), replace(STILL, sharpness=0.8, sharpness_probability=0.5))
    amounts = draws.sharpness[:, 0]
    happens = amounts != 0
    assert happens.double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert -0.8 <= amounts.min() < -0.78
    assert 0.78 < amounts.max() <= 0.8
    assert amounts[happens].mean().item() == pytest.approx(0, abs=0.03)


def test_the_setting_changes_images_and_a_sample_does_not_depend_on_its_batch() -> None:
    settings, keys = replace(STILL, sharpness=0.9, sharpness_probability=0.7), np.arange(4)
    draws = draw(0, 0, keys, settings)
    whole = apply(volumes(), draws)
    changed = draws.sharpness[:, 0] != 0
    assert changed.any()
    differs = (whole - volumes()).abs().flatten(1).amax(dim=1) > 1e-3
    assert torch.equal(differs, changed)
    assert torch.equal(apply(volumes()[[3, 1]], draw(0, 0, keys[[3, 1]], settings)), whole[[3, 1]])
    assert torch.equal(apply(volumes(), draw(0, 0, keys, replace(settings, sharpness_probability=0.0))), volumes())
