"""Signed distances and rotations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.imaging.simulate.shapes import capsule, ellipsoid, rotation

ANGLE = st.floats(-180, 180)


def at(*places: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y, z = np.array(places, dtype=np.float32).T
    return x, y, z


def test_a_sphere_has_the_euclidean_distance() -> None:
    found = ellipsoid(at((1, 2, 3), (11, 2, 3), (1, 2, 9)), (1, 2, 3), (5, 5, 5))
    np.testing.assert_allclose(found, [-5, 5, 1], atol=1e-4)


def test_an_ellipsoid_is_zero_on_its_surface_and_turns_with_its_axes() -> None:
    turn = rotation(0, 0, 90)  # the first half axis along y
    found = ellipsoid(at((0, 30, 0), (10, 0, 0), (0, 0, 20), (0, 31, 0)), (0, 0, 0), (30, 10, 20), turn)
    np.testing.assert_allclose(found, [0, 0, 0, 1], atol=0.05)


def test_a_rod_with_round_ends_and_a_taper() -> None:
    found = capsule(at((5, 3, 0), (-4, 0, 0), (0, 3, 0), (10, 3, 0)), (0, 0, 0), (10, 0, 0), 1.0, 2.0)
    np.testing.assert_allclose(found, [1.5, 3.0, 2.0, 1.0], atol=1e-5)


@given(ANGLE, ANGLE, ANGLE)
def test_rotations_keep_lengths_and_handedness(x: float, y: float, z: float) -> None:
    turn = rotation(x, y, z)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    np.testing.assert_allclose(rotation(0, 0, 90) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
