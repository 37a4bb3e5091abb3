"""How hearts are scanned: oblique slices across the long axis, and a breath-hold of its own for each slice."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import nibabel
import numpy as np
import pytest

from medcl.imaging.simulate.cardiac_mr import Heart, draw_heart
from medcl.imaging.simulate.cine_session import CINE_SCANNERS


@cache
def hearts() -> list[Heart]:
    return [draw_heart(0, number) for number in range(1, 17)]


def test_stacks_are_short_axis_and_oblique() -> None:
    for heart in hearts():
        grid = heart.session.grid
        across = grid.affine[:3, 2] / grid.spacing[2]
        long_axis = (heart.session.pose @ heart.pose)[:3, 2]
        assert abs(across @ long_axis) > np.cos(np.deg2rad(16))
        assert np.abs(across).max() < 0.99
        assert 1.3 < grid.spacing[0] < 1.9
        assert grid.spacing[1] == pytest.approx(grid.spacing[0])
        assert 7.99 < grid.spacing[2] < 10.01
        assert 6 <= grid.shape[2] <= 16
        # Slices are counted along the same canonical axis in all patients.
        assert nibabel.aff2axcodes(grid.affine)[2] in "RL"


def test_all_scanners_and_ways_of_storing_occur() -> None:
    assert {heart.session.scanner for heart in hearts()} == set(CINE_SCANNERS)
    assert len({nibabel.aff2axcodes(heart.session.grid.affine) for heart in hearts()}) >= 3
    assert len({heart.session.grid.shape for heart in hearts()}) >= 10


def test_the_stack_holds_the_left_ventricle() -> None:
    for heart in hearts():
        session, shape = heart.session, heart.beat.diastole
        for w in (0.0, -0.85 * shape.length):
            place = session.pose @ heart.pose @ [0.0, 0.0, w, 1.0]
            index = (np.linalg.inv(session.grid.affine) @ place)[:3]
            assert (index[:2] > 20).all()
            assert (index[:2] < np.array(session.grid.shape[:2]) - 20).all()
            assert -1.5 < index[2] < session.grid.shape[2] + 0.5


def test_a_slab_lies_in_its_slice_and_follows_its_breath() -> None:
    session = hearts()[2].session
    still = replace(session, breaths=np.zeros_like(session.breaths))
    into = np.linalg.inv(session.pose)
    for k in (0, session.grid.shape[2] - 1):
        slab = still.slab(k, 3)
        middle = into @ session.grid.affine @ [4, 7, k, 1]
        np.testing.assert_allclose(slab.affine @ [4, 7, 1, 1], middle, atol=1e-9)
        ends = [(slab.affine @ [4, 7, part, 1])[:3] for part in (-0.5, 2.5)]
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(session.thickness)
        moved = session.slab(k, 3).affine @ [4, 7, 1, 1]
        np.testing.assert_allclose(moved[:3] + session.breaths[k], middle[:3], atol=1e-9)


def test_the_place_in_the_image_differs_from_patient_to_patient() -> None:
    places = []
    for heart in hearts():
        grid = heart.session.grid
        place = heart.session.pose @ heart.pose @ [0.0, 0.0, -0.4 * heart.beat.diastole.length, 1.0]
        index = (np.linalg.inv(grid.affine) @ place)[:3]
        places.append((index[:2] - (np.array(grid.shape[:2]) - 1) / 2) * grid.spacing[:2])
    assert (np.std(places, axis=0) > 9).all()
