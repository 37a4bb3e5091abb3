"""Metrics of one case and class against hand cases; emptiness before everything else."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medcl.evaluation import segmentation
from medcl.evaluation.segmentation import METRICS, class_scores, diagonal

SPACING = (4.0, 1.5, 0.5)
SHAPE = (6, 20, 24)


def box(z: slice, y: slice, x: slice, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[z, y, x] = True
    return mask


def test_identical_masks() -> None:
    mask = box(slice(1, 4), slice(3, 9), slice(2, 12))
    found = class_scores(mask, mask, SPACING)
    assert found.values == {"dice": 1.0} | {name: 0.0 for name in METRICS if name != "dice"}
    assert found.empty == ""
    assert (found.truth_voxels, found.prediction_voxels) == (180, 180)
    assert found.voxel_ml == pytest.approx(0.003)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_one_voxel_thick_shifted_by_two(axis: int) -> None:
    planes = np.zeros((2, *SHAPE), bool)
    for number, place in enumerate((2, 4)):
        planes[number][(slice(None),) * axis + (place,)] = True
    found = class_scores(planes[0], planes[1], SPACING).values
    assert found["dice"] == 0
    for name in METRICS:
        if name != "dice":
            assert found[name] == pytest.approx(2 * (SPACING[axis] if name.endswith("mm") else 1)), name


def test_dice_and_directed_distances_of_too_much() -> None:
    """Two rods of one voxel's cross section: the truth has 4 voxels, the prediction 4 more behind them."""
    truth = box(slice(2, 3), slice(5, 6), slice(2, 6))
    prediction = box(slice(2, 3), slice(5, 6), slice(2, 10))
    found = class_scores(truth, prediction, SPACING).values
    assert found["dice"] == pytest.approx(8 / 12)
    assert found["asd_truth_to_prediction_mm"] == 0
    assert found["asd_prediction_to_truth_mm"] == pytest.approx(0.5 * (1 + 2 + 3 + 4) / 8)
    assert found["assd_mm"] == pytest.approx(0.5 * 10 / 12)  # not the mean of the two directions
    assert found["hd_mm"] == pytest.approx(2.0)
    assert found["hd_voxels"] == pytest.approx(4.0)
    assert found["hd95_voxels"] == pytest.approx(np.percentile([0, 0, 0, 0, 1, 2, 3, 4], 95))
    turned = class_scores(prediction, truth, SPACING).values
    assert turned["asd_truth_to_prediction_mm"] == found["asd_prediction_to_truth_mm"]
    assert turned["asd_prediction_to_truth_mm"] == 0


def test_disjoint_masks() -> None:
    truth = box(slice(2, 3), slice(5, 6), slice(2, 3))
    prediction = box(slice(3, 4), slice(7, 8), slice(2, 3))
    found = class_scores(truth, prediction, SPACING).values
    assert found["dice"] == 0
    assert found["hd_mm"] == found["assd_mm"] == pytest.approx(5.0)  # one slice of 4 mm and two rows of 1.5 mm
    assert found["hd_voxels"] == pytest.approx(math.sqrt(5))


def test_where_a_mask_stands_in_the_image_changes_nothing() -> None:
    """What is measured within the smallest box is measured in the whole image, at its edges too."""
    from medcl.evaluation.surface_distance import surface_distances

    for z in (0, 2, 5):
        truth = box(slice(z, z + 1), slice(0, 8), slice(0, 9))
        prediction = box(slice(z, z + 1), slice(3, 12), slice(5, 24))
        found = class_scores(truth, prediction, SPACING).values
        whole = surface_distances(truth, prediction, SPACING)
        assert found["assd_mm"] == pytest.approx(whole.average)
        assert found["hd95_mm"] == pytest.approx(whole.hausdorff(95))


def test_a_slice_is_measured_by_its_outline() -> None:
    """Concentric squares of 5 and 3 pixels: every outline pixel is one or (corners) the square root of two away."""
    truth = box(slice(0, 1), slice(5, 10), slice(5, 10), (1, 20, 20))
    prediction = box(slice(0, 1), slice(6, 9), slice(6, 9), (1, 20, 20))
    found = class_scores(truth, prediction, (8.0, 1.0, 1.0)).values
    assert found["dice"] == pytest.approx(18 / 34)
    assert found["asd_truth_to_prediction_mm"] == pytest.approx((12 * 1 + 4 * math.sqrt(2)) / 16)
    assert found["asd_prediction_to_truth_mm"] == pytest.approx(1)
    assert found["hd_mm"] == pytest.approx(math.sqrt(2))


def test_both_empty_is_undefined() -> None:
    nothing = np.zeros(SHAPE, bool)
    found = class_scores(nothing, nothing, SPACING)
    assert found.empty == "both"
    assert list(found.values) == list(METRICS)
    assert all(math.isnan(value) for value in found.values.values())


@pytest.mark.parametrize(("truth_is_empty", "told"), [(True, "truth"), (False, "prediction")])
def test_one_empty_costs_the_images_diagonal(truth_is_empty: bool, told: str) -> None:
    masks = [np.zeros(SHAPE, bool), box(slice(1, 2), slice(1, 2), slice(1, 2))]
    found = class_scores(*(masks if truth_is_empty else masks[::-1]), SPACING)
    assert found.empty == told
    assert found.values["dice"] == 0
    assert found.values["hd_mm"] == found.values["assd_mm"] == pytest.approx(math.hypot(24, 30, 12))
    assert found.values["hd95_voxels"] == pytest.approx(math.hypot(*SHAPE))


def test_the_diagonal_of_a_slice_has_no_thickness() -> None:
    assert diagonal((1, 3, 4), (8.0, 1.0, 1.0)) == 5


def test_the_check_of_emptiness_would_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a mask without a surface is measured, which fails: the twin of the tests above."""
    monkeypatch.setattr(segmentation.np, "count_nonzero", lambda mask: 1)
    with pytest.raises((ValueError, IndexError)):
        class_scores(np.zeros(SHAPE, bool), np.zeros(SHAPE, bool), SPACING)
