"""The ventricles' shape: volumes against formulas, regions where they belong, no part inside another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.imaging.simulate.ventricles import APEX_WALL, WIDEST, Region, Ventricles, count_volumes, cover

ROUND = Ventricles(radius=25.0, length=85.0, wall=8.0, tilt=(0.0, 0.0))


def ellipsoid_below(radius: float, half: float, top: float) -> float:
    """mL of an ellipsoid of revolution below a plane `top` mm over its middle."""
    return np.pi * radius**2 * (top - top**3 / (3 * half**2) + 2 * half / 3) / 1000


def test_volumes_are_those_of_the_cut_ellipsoids() -> None:
    top, half = WIDEST * 85, (1 - WIDEST) * 85
    cavity = ellipsoid_below(25, half, top)
    found = ROUND.volumes
    assert found["left"] == pytest.approx(cavity, rel=0.01)
    assert found["wall"] == pytest.approx(ellipsoid_below(33, half + APEX_WALL * 8, top) - cavity, rel=0.02)


def test_the_grid_hardly_matters() -> None:
    coarse, fine = count_volumes(ROUND, 3.0), count_volumes(ROUND, 1.5)
    for part in ("left", "wall", "right"):
        assert coarse[part] == pytest.approx(fine[part], rel=0.015)


def test_the_right_ventricle_may_be_left_uncounted() -> None:
    assert "right" not in count_volumes(ROUND, 3.0, right=False)
    assert count_volumes(ROUND, 3.0, right=False)["wall"] == pytest.approx(ROUND.volumes["wall"], rel=0.01)


def test_every_place_belongs_to_one_part_at_most() -> None:
    line = np.arange(-100, 100, 2.5, dtype=np.float32)
    points = (line[:, None, None], line[None, :, None], line[None, None, :])
    parts = cover(ROUND, points, 2.5)
    total = sum(parts)
    assert min(float(part.min()) for part in parts) >= -1e-6
    assert float(np.max(total)) <= 1 + 1e-5
    assert all(part.sum() > 1000 for part in parts)


def test_a_region_changes_the_wall_there_and_nowhere_else() -> None:
    thin = replace(ROUND, regions=(Region(180, 0.0, 40, 0.5, -0.5),))
    theta = np.deg2rad(np.array([0, 90, 180, 270], dtype=np.float32))
    thick = thin.thickness(theta, np.zeros(4, dtype=np.float32))
    np.testing.assert_allclose(thick, [8, 8, 4, 8], atol=0.1)
    np.testing.assert_allclose(thin.thickness(theta, np.full(4, -1.0, dtype=np.float32))[2], 8, atol=0.2)
    np.testing.assert_allclose(thin.inner_radius(theta, np.zeros(4, dtype=np.float32)), 25)


def test_the_right_ventricle_lies_at_the_septum_and_the_plane_of_the_valves_cuts_all() -> None:
    at = (np.array([50.0]), np.array([0.0]), np.array([-30.0]))
    left, wall, right = (float(part[0]) for part in cover(ROUND, at, 1.0))
    assert (left, wall, right) == (0, 0, 1)
    for a in (0.0, 29.0, 50.0):
        above = cover(ROUND, (np.array([a]), np.array([0.0]), np.array([3.0])), 1.0)
        assert sum(float(part[0]) for part in above) == 0
