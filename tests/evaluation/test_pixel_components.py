from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.pixel_components import pixel_components

PIXELS = np.random.default_rng(0).normal(size=(40, 30)) * np.linspace(5, 0.1, 30)


def assert_blind_to_other_rows(components: object) -> None:
    changed = PIXELS.copy()
    changed[20:] *= 50
    before, after = (components(each, np.arange(20)) for each in (PIXELS, changed))  # type: ignore[operator]
    np.testing.assert_allclose(after[:20], before[:20])


def test_components_are_of_the_training_rows() -> None:
    assert_blind_to_other_rows(pixel_components)
    with pytest.raises(AssertionError):
        assert_blind_to_other_rows(lambda pixels, _: pixel_components(pixels, np.arange(40))[:, :20])


def test_as_many_as_there_can_be() -> None:
    assert pixel_components(PIXELS, np.arange(20)).shape == (40, 20)
    found = pixel_components(PIXELS, np.arange(40), components=3)
    assert found.shape == (40, 3)
    assert found.std(axis=0)[0] > found.std(axis=0)[2]
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-10)
