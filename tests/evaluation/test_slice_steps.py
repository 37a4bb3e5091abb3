"""Steps from slice to slice, beside those of the source."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.slice_steps import slice_steps


def test_known_ratios() -> None:
    source = np.linspace(0, 1, 5, dtype=np.float32)[:, None, None] * np.ones((5, 3, 4), np.float32)
    assert slice_steps(source, source) == pytest.approx(1)
    assert slice_steps(source, 1 - source) == pytest.approx(1)
    assert slice_steps(source, source / 2) == pytest.approx(0.5)
    flicker = source + np.float32(0.25) * (np.arange(5) % 2)[:, None, None]  # steps of 0.5 and 0 by turns
    assert slice_steps(source, flicker.astype(np.float32)) == pytest.approx(1)
    flicker = source + np.float32(0.5) * (np.arange(5) % 2)[:, None, None]  # 0.75 and -0.25
    assert slice_steps(source, flicker.astype(np.float32)) == pytest.approx(2)


def test_where_there_is_nothing_to_compare() -> None:
    volume = np.random.default_rng(0).random((4, 3, 3), dtype=np.float32)
    assert slice_steps(volume[:1], volume[:1]) is None
    assert slice_steps(np.zeros_like(volume), volume) is None
