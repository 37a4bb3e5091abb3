"""Mutual information with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluation.mutual_information import BINS, mutual_information


def levels(count: int, size: int = 64) -> np.ndarray:
    """Every one of so many levels as often as the others."""
    return ((np.arange(size * size).reshape(size, size) % count + 0.5) / count).astype(np.float32)


@pytest.mark.parametrize(("count", "bits"), [(1, 0.0), (2, 1.0), (4, 2.0), (32, 5.0)])
def test_an_image_tells_all_of_itself_and_of_its_negative(count: int, bits: float) -> None:
    image = levels(count)
    assert mutual_information(image, image) == pytest.approx(bits, abs=1e-9)
    assert mutual_information(image, 1 - image) == pytest.approx(bits, abs=1e-9)


def test_independent_images_tell_next_to_nothing() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 192, 192), dtype=np.float32)
    bias = (BINS - 1) ** 2 / (2 * first.size * np.log(2))
    assert mutual_information(first, second) == pytest.approx(bias, rel=0.1)
    crossed = np.indices((64, 64)) % 2 / np.float32(1)  # rows and columns: exactly independent
    assert mutual_information(*crossed.astype(np.float32)) == pytest.approx(0, abs=1e-12)


def test_half_of_the_pixels_known_is_part_of_a_bit() -> None:
    truth = np.repeat([0.0, 0.0, 1.0, 1.0], 25).astype(np.float32)
    told = np.repeat([0.0, 1.0, 1.0, 1.0], 25).astype(np.float32)
    table = np.array([[0.25, 0.25], [0.0, 0.5]])
    apart = table.sum(1, keepdims=True) * table.sum(0)
    expected = sum(p * np.log2(p / q) for p, q in zip(table.ravel(), apart.ravel(), strict=True) if p)
    assert mutual_information(truth, told) == pytest.approx(expected)
    assert mutual_information(told, truth) == pytest.approx(expected)


def test_of_no_pixel_and_of_other_shapes() -> None:
    nothing = np.zeros((0, 4), np.float32)
    assert mutual_information(nothing, nothing) == 0
    with pytest.raises(ValueError, match="one shape"):
        mutual_information(levels(2), levels(2, 32))
