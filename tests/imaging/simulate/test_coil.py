"""Receiver: shading, gain and Rician noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.imaging.simulate.coil import Receiver, draw_receiver
from medcl.imaging.simulate.grid import scan_grid

GRID = scan_grid("LPS", (40, 40, 20), (6.0, 6.0, 6.0), (0.0, 0.0, 0.0), np.eye(3))
RECEIVER = Receiver(np.array([[0.0, 150.0, 0.0]]), np.array([1.0]), remaining=0.8, gain=10_000.0, noise=0.0)


def test_shading_is_brightest_at_the_element_and_one_on_average() -> None:
    shading = RECEIVER.shading(GRID)
    index = np.unravel_index(np.argmax(shading), shading.shape)
    assert (GRID.affine @ [*index, 1])[1] > 100
    assert np.log(shading).mean() == pytest.approx(0.0, abs=1e-5)


def test_a_perfect_correction_leaves_no_shading() -> None:
    np.testing.assert_allclose(replace(RECEIVER, remaining=0.0).shading(GRID), 1.0)


def test_noise_of_nothing_is_rayleigh_and_of_much_signal_gaussian() -> None:
    receiver = replace(RECEIVER, noise=0.01, remaining=0.0)
    random = np.random.default_rng(0)
    nothing = receiver.record(np.zeros(GRID.shape, dtype=np.float32), GRID, random) / receiver.gain
    much = receiver.record(np.full(GRID.shape, 0.3, dtype=np.float32), GRID, random) / receiver.gain
    assert nothing.mean() == pytest.approx(0.01 * np.sqrt(np.pi / 2), rel=0.02)
    assert much.mean() == pytest.approx(0.3, rel=0.01)
    assert much.std() == pytest.approx(0.01, rel=0.02)


def test_storage_never_wraps_round() -> None:
    stored = replace(RECEIVER, gain=1e9).record(np.ones(GRID.shape, dtype=np.float32), GRID, np.random.default_rng(0))
    assert stored.dtype == np.int16
    assert stored.min() == stored.max() == 32767


def test_the_shading_range_is_kept() -> None:
    drawn = [draw_receiver((0.3, 0.6), np.random.default_rng(seed)).remaining for seed in range(20)]
    assert min(drawn) >= 0.3
    assert max(drawn) <= 0.6
