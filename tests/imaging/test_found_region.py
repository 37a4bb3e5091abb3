"""The box around what a segmentation finds: where it lies in mm, and which parts count."""

from __future__ import annotations

import numpy as np
import pytest
from imaging_phantoms import random_affine

from medcl.imaging.found_region import FoundRegion, found_region
from medcl.imaging.geometry import to_index, to_mm
from medcl.imaging.volume import Volume

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def box_of(labels: np.ndarray, affine: np.ndarray) -> Box:
    """First and last voxel along z, y, x of the corners that were found."""
    places = np.array([to_index(affine, corner) for corner in found_region(Volume(labels, affine)).corners])
    assert len(places) == 8
    np.testing.assert_allclose(places, places.round(), atol=1e-6)
    low, high = places.round().astype(int).min(axis=0), places.round().astype(int).max(axis=0)
    return tuple((int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(5))
def test_all_classes_together(seed: int) -> None:
    labels = np.zeros((12, 14, 16), np.uint16)
    labels[3:5, 4:9, 5:7] = 1
    labels[5:8, 6:8, 6:12] = 500
    assert box_of(labels, random_affine(seed)) == ((3, 7), (4, 8), (5, 11))


def test_specks_are_left_out_and_a_second_organ_is_not() -> None:
    labels = np.zeros((10, 20, 30), np.uint8)
    labels[2:7, 5:9, 3:8] = 1  # 100 voxels
    labels[3:4, 10:11, 20:29] = 2  # 9
    assert box_of(labels, np.eye(4)) == ((2, 6), (5, 8), (3, 7))
    labels[3:4, 10:11, 20:30] = 2  # 10
    assert box_of(labels, np.eye(4)) == ((2, 6), (5, 10), (3, 29))


def test_parts_that_touch_at_a_corner_are_one() -> None:
    labels = np.zeros((8, 12, 12), np.uint8)
    labels[:7, :10, :10] = 1
    labels[7, 10, 10] = 2
    assert box_of(labels, np.eye(4)) == ((0, 7), (0, 10), (0, 10))
    labels[7, 10, 10], labels[7, 11, 11] = 0, 2
    assert box_of(labels, np.eye(4)) == ((0, 6), (0, 9), (0, 9))


def test_nothing() -> None:
    assert found_region(Volume(np.zeros((3, 4, 5), np.uint8), np.eye(4))) == FoundRegion()


def test_a_single_voxel() -> None:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[1, 2, 3] = 7
    affine = random_affine(3)
    np.testing.assert_allclose(found_region(Volume(labels, affine)).corners, [to_mm(affine, (1, 2, 3))] * 8)
