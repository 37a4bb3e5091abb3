"""Intensities of each label before and after."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.label_intensities import LabelIntensities, label_intensities


def test_known_means_and_deviations() -> None:
    labels = np.array([[0, 0, 7], [7, 300, 300]], np.uint16)
    source = np.array([[0.0, 1.0, 0.2], [0.4, 0.5, 0.5]], np.float32)
    found = label_intensities(source, 1 - source, labels)
    assert [each.label for each in found] == [0, 7, 300]
    assert [each.voxels for each in found] == [2, 2, 2]
    assert [each.source_mean for each in found] == pytest.approx([0.5, 0.3, 0.5])
    assert [each.translated_mean for each in found] == pytest.approx([0.5, 0.7, 0.5])
    assert [each.source_sd for each in found] == pytest.approx([0.5, 0.1, 0])
    assert [each.translated_sd for each in found] == pytest.approx([0.5, 0.1, 0], abs=1e-7)


def test_as_numpy_has_them_far_from_zero() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (4, 9, 9)).astype(np.uint8)
    source = (1000 + rng.normal(0, 1e-3, labels.shape)).astype(np.float32)
    for each in label_intensities(source, source[::-1], labels):
        values = source[labels == each.label].astype(np.float64)
        other = source[::-1][labels == each.label].astype(np.float64)
        expected = LabelIntensities(each.label, len(values), values.mean(), values.std(), other.mean(), other.std())
        for name in ("source_mean", "source_sd", "translated_mean", "translated_sd"):
            assert getattr(each, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in their shapes"):
        label_intensities(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.float32), np.zeros(4, np.uint8))
