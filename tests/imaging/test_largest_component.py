"""The largest part of every class."""

from __future__ import annotations

import numpy as np

from medcl.imaging.largest_component import largest_components


def test_each_class_keeps_its_largest_part() -> None:
    labels = np.zeros((4, 6, 12), np.uint16)
    labels[0, 0, :5] = 1
    labels[3, 5, 9:] = 1
    labels[1, 3, 0] = 500
    labels[1:3, 3:5, 6:8] = 500
    expected = labels.copy()
    expected[3, 5, 9:] = 0
    expected[1, 3, 0] = 0
    found = largest_components(labels)
    assert np.array_equal(found, expected)
    assert found.dtype == labels.dtype


def test_corners_connect() -> None:
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[[0, 1, 2], [0, 1, 2], [0, 1, 2]] = 1
    assert np.array_equal(largest_components(labels), labels)


def test_background_alone_stays() -> None:
    assert not largest_components(np.zeros((2, 3, 4), np.uint8)).any()


def test_parts_of_other_classes_do_not_join_two_parts() -> None:
    labels = np.array([1, 1, 2, 1, 1, 1], np.uint8).reshape(1, 1, 6)
    assert largest_components(labels).ravel().tolist() == [0, 0, 2, 1, 1, 1]
