"""Translations that keep their source, and those that make things up."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medcl.evaluation.hallucination import hallucination
from medcl.evaluation.mutual_information import mutual_information


def slices(count: int = 8, seed: int = 0) -> np.ndarray:
    """Different bodies in the same place, as slices of one body part are."""
    body = np.hypot(*(np.indices((48, 48)) - 23.5)) < 20
    texture = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(count, 48, 48)), (0, 2, 2))
    return np.where(body, 0.6 + texture, 0.0).clip(0, 1).astype(np.float32)


def test_a_faithful_translation_tells_far_more_of_its_own_source_than_of_another() -> None:
    source = slices()
    found = hallucination(source, 1 - source)
    assert found.mutual_information == mutual_information(source, 1 - source)
    assert found.chance is not None
    assert found.mutual_information > 2 * found.chance > 0
    assert found.labels == ()


def test_a_made_up_one_tells_no_more_than_chance() -> None:
    source, others = slices(), slices(seed=1)
    found = hallucination(source, others)
    assert found.chance is not None
    assert found.mutual_information == pytest.approx(found.chance, rel=0.1)


def test_chance_of_slices_that_stay_in_their_place_would_hide_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.evaluation.hallucination.np.roll", lambda slices, by, axis: slices)
    with pytest.raises(AssertionError):
        test_a_faithful_translation_tells_far_more_of_its_own_source_than_of_another()


def test_chance_exchanges_every_slice() -> None:
    for count in (2, 3, 5):
        marked = np.eye(count, dtype=np.float32)[:, None]  # (N, 1, N): slice i is bright at pixel i
        others = np.roll(marked, count // 2, axis=0)
        assert not (others * marked).any()
        assert hallucination(marked, marked).chance == mutual_information(marked, others)


def test_a_single_slice_has_no_chance_and_labels_are_told() -> None:
    source = slices(1)
    labels = (source > 0).astype(np.uint8)
    found = hallucination(source, 1 - source, labels)
    assert found.chance is None
    assert [each.label for each in found.labels] == [0, 1]
    assert found.labels[0].translated_mean == pytest.approx(1)
    assert found.labels[1].source_mean == pytest.approx(1 - found.labels[1].translated_mean, abs=1e-6)
