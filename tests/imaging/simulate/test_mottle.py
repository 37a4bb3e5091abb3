"""The soft pattern: the same wherever it is asked for, with the variance that is promised."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.mottle import Mottle


def test_a_pattern_belongs_to_places_and_has_half_a_wave_of_variance() -> None:
    mottle = Mottle.draw(np.random.default_rng(0), length=20.0, count=6)
    x, y, z = (np.random.default_rng(k).uniform(-500, 500, 20000).astype(np.float32) for k in (1, 2, 3))
    values = mottle((x, y, z))
    assert values.std() ** 2 == pytest.approx(3.0, rel=0.1)
    np.testing.assert_array_equal(mottle((x[:7], y[:7], z[:7])), values[:7])
    near = mottle((x + np.float32(0.2), y, z))
    assert np.corrcoef(values, near)[0, 1] > 0.99
    assert abs(np.corrcoef(values, mottle((x + np.float32(150), y, z)))[0, 1]) < 0.9
