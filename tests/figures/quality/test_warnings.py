from __future__ import annotations

import numpy as np

from medcl.figures.quality.measure import measure
from medcl.figures.quality.warnings import image_warnings
from tests.figures.quality.quality_cases import SHAPE, entry, voxels

LARGER = (SHAPE[0] + 3, SHAPE[1], SHAPE[2])


def said(volume: np.ndarray, labels: np.ndarray | None = None, **changed: object) -> str:
    line = entry(label_file="labels/x.npy" if labels is not None else "", **changed)
    return " ".join(image_warnings([line], [measure(volume, labels, line)], ["one"])[0])


def labels(first_slice: int) -> np.ndarray:
    found = np.zeros(SHAPE, np.uint8)
    found[first_slice : first_slice + 2, 3:5, 3:5] = 1
    return found


def test_a_plain_image_has_none() -> None:
    assert said(voxels(0)) == ""
    assert said(voxels(0), labels(2)) == ""


def test_the_same_voxels_are_named_by_the_other_image() -> None:
    lines = [entry(0, content="x"), entry(1), entry(2, content="x")]
    found = image_warnings(lines, [measure(voxels(0), None, line) for line in lines], ["one", "two", "three"])
    assert found == [("Holds the same voxels as three.",), (), ("Holds the same voxels as one.",)]


def test_a_cut_region_is_told_in_both_orders() -> None:
    assert "9 × 8 × 10 (z y x) = 10 × 8 × 9 (x y z)" in said(voxels(0), region_shape=LARGER)


def test_labels_at_the_edge_matter_only_where_the_volume_was_cut() -> None:
    assert "may be missing" in said(voxels(0), labels(0), region_shape=LARGER)
    assert "may be missing" not in said(voxels(0), labels(2), region_shape=LARGER)
    assert "may be missing" not in said(voxels(0), labels(0))


def test_a_mask_that_is_outside_is_told() -> None:
    assert "nothing in the volume is labelled" in said(voxels(0), np.zeros(SHAPE, np.uint8))


def test_padding_is_told_when_it_is_most_of_the_volume() -> None:
    volume = np.zeros(SHAPE, np.float32)
    volume[:3, :4, :5] = voxels(0)[:3, :4, :5]
    assert "88% of the volume is padding" in said(volume)
    volume[:, :, :5] = 0.5
    assert "padding" not in said(volume)


def test_an_empty_volume_says_only_that() -> None:
    assert said(np.zeros(SHAPE, np.float32)) == "Empty: no voxel is above 0."
