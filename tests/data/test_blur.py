"""The blur against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medcl.data.blur import blur, gaussian_weights


@pytest.mark.parametrize("size", [(6, 9, 8), (1, 9, 8), (2, 3, 8)])
@pytest.mark.parametrize("sigma", [(0.5, 0.5, 0.5), (0.1, 0.45, 0.3), (0.0, 0.5, 0.0)])
def test_agrees_with_scipy(size: tuple[int, int, int], sigma: tuple[float, float, float]) -> None:
    volume = np.random.default_rng(0).random(size)
    expected = gaussian_filter(volume, sigma, mode="reflect", radius=2)
    blurred = blur(torch.from_numpy(volume).float()[None, None], torch.tensor([sigma]), radius=2)
    np.testing.assert_allclose(blurred[0, 0], expected, atol=1e-5)
    library_default = gaussian_filter(volume, sigma, mode="reflect", truncate=4.0)
    np.testing.assert_allclose(blurred[0, 0], library_default, atol=1e-5)


def test_wider_kernels_agree_with_scipy() -> None:
    volume = np.random.default_rng(1).random((9, 12, 10))
    expected = gaussian_filter(volume, 2.0, mode="reflect", radius=8)
    blurred = blur(torch.from_numpy(volume)[None, None], torch.full((1, 3), 2.0), radius=8)
    np.testing.assert_allclose(blurred[0, 0], expected, atol=1e-10)


def test_weights_sum_to_one_and_no_width_is_the_identity() -> None:
    weights = gaussian_weights(torch.tensor([0.0, 0.3, 0.5]), 2)
    torch.testing.assert_close(2 * weights.sum(1) - weights[:, 0], torch.ones(3, dtype=torch.float64))
    assert weights[0].tolist() == [1, 0, 0]
    volumes = torch.rand(2, 1, 4, 5, 6)
    assert torch.equal(blur(volumes, torch.zeros(2, 3), radius=2), volumes)


def test_each_sample_has_its_own_width() -> None:
    volumes, sigmas = torch.rand(3, 1, 4, 5, 6), torch.tensor([[0.0] * 3, [0.2] * 3, [0.5] * 3])
    together = blur(volumes, sigmas, radius=2)
    for i in range(3):
        assert torch.equal(blur(volumes[i : i + 1], sigmas[i : i + 1], radius=2)[0], together[i])
