"""Planes through the largest disagreement, hung as radiologists do, in mm."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.figures.segmentation.outline import outline
from medcl.figures.segmentation.views import AROUND_MM, MOST_PIXELS, place_of_disagreement, views

SHAPE, SPACING = (8, 40, 60), (5.0, 2.0, 1.0)


def masks() -> tuple[np.ndarray, np.ndarray]:
    """A box; the prediction misses most of it in slice 5 and a little in slice 2."""
    truth = np.zeros(SHAPE, np.uint16)
    truth[2:7, 10:20, 20:40] = 300
    prediction = truth.copy()
    prediction[5, 12:18, 22:30] = 0
    prediction[2, 10:12, 20:22] = 0
    return truth, prediction


def test_the_planes_go_where_most_voxels_differ() -> None:
    z, y, x = place_of_disagreement(*masks())
    assert z == 5
    assert 12 <= y < 18
    assert 22 <= x < 30
    found = views(None, *masks(), (300,), SPACING)
    assert [(view.plane, view.place, view.of) for view in found] == [
        ("axial", 6, 8), ("coronal", y + 1, 40), ("sagittal", x + 1, 60),
    ]  # fmt: skip
    assert all(view.picture is None for view in found)


def test_without_disagreement_they_go_through_the_truth_and_without_that_through_the_middle() -> None:
    truth, _ = masks()
    assert place_of_disagreement(truth, truth) == (4, 15, 30)
    nothing = np.zeros_like(truth)
    assert place_of_disagreement(nothing, nothing) == (4, 20, 30)
    found = views(np.ones(SHAPE, np.float32), nothing, nothing, (1,), SPACING)
    assert (found[0].rows, found[0].columns) == SHAPE[1:]


def test_it_is_cut_to_what_is_labelled_with_a_border_in_mm() -> None:
    axial, coronal, _ = views(None, *masks(), (300,), SPACING)
    around = AROUND_MM  # the box is 25 mm high, and a fifth of that is less
    assert (axial.rows, axial.columns) == (10 + 2 * around / 2, 20 + 2 * around)
    assert (axial.high, axial.wide) == (axial.rows * 2, axial.columns)
    assert (coronal.rows, coronal.high) == (8, 40)  # no further than the image


def test_the_patients_right_and_front_are_where_radiologists_have_them() -> None:
    truth = np.zeros(SHAPE, np.uint8)
    truth[:, :, :] = 1
    truth[:, -5:, :3] = 0  # the front right corner
    axial = views(None, truth, truth, (1,), SPACING)[0]
    shown = np.ones(SHAPE[1:], bool)
    shown[:5, -3:] = False  # x runs to the left of the picture: right is at low x, drawn on the picture's right
    shown = truth[4, ::-1, ::-1] == 1
    assert axial.truth[0].path == outline(shown)


@pytest.mark.parametrize(("axis", "plane"), [(0, "axial"), (1, "coronal"), (2, "sagittal")])
def test_a_2d_image_has_one_plane(axis: int, plane: str) -> None:
    flat = np.zeros((20, 30), np.uint8)
    flat[5:10, 5:12] = 2
    truth = np.expand_dims(flat, axis)
    found = views(truth.astype(np.float32), truth, truth, (2,), (1.0, 1.0, 1.0))
    assert [view.plane for view in found] == [plane]
    assert (found[0].place, found[0].of) == (1, 1)
    assert found[0].truth[0].path


def test_only_the_chosen_classes_are_drawn() -> None:
    truth, prediction = masks()
    truth[0, 0, 0] = 7
    found = views(None, truth, prediction, (7,), SPACING)
    assert found[0].place == 1
    assert len(found[0].truth) == 1


def test_wide_planes_are_averaged_down_and_outlines_are_not() -> None:
    truth = np.zeros((1, 500, 401), np.uint8)
    truth[0, 3:-3, 3:-3] = 1
    view = views(truth.astype(np.float32), truth, truth, (1,), (1.0, 1.0, 1.0))[0]
    assert view.picture is not None
    assert max(view.picture.width, view.picture.height) <= MOST_PIXELS
    assert (view.rows, view.columns) == (500, 401)


def test_a_number_stands_within_its_class_if_there_is_room() -> None:
    truth = np.zeros((1, 50, 50), np.uint8)
    truth[0, 10:30, 10:30] = 1
    truth[0, 40, 10:30] = 2
    wide, thin = views(None, truth, truth, (1, 2), (1.0, 1.0, 1.0))[0].truth
    assert wide.mark is not None
    assert thin.mark is None
