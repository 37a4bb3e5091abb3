"""Balls and rods are painted with the volume that they have."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.grid import scan_grid
from medcl.imaging.simulate.shapes import rotation
from medcl.imaging.simulate.solids import paint_ball, paint_rod


def canvas() -> Canvas:
    return Canvas(scan_grid("LPS", (50, 50, 50), (2.0, 2.0, 2.0), (0, 0, 0), np.eye(3)), {"fat": 1.0, "air": 0.0})


def test_volumes_of_balls_and_rods() -> None:
    ball, rod = canvas(), canvas()
    paint_ball(ball, "fat", (3, 1, 0), (20, 14, 9), rotation(20, 30, 10))
    assert ball.image.sum() * 8 == pytest.approx(4 / 3 * np.pi * 20 * 14 * 9, rel=0.03)
    paint_rod(rod, "fat", (-20, 0, 0), (20, 10, 0), 8.0)
    length = np.hypot(40, 10)
    assert rod.image.sum() * 8 == pytest.approx(np.pi * 64 * length + 4 / 3 * np.pi * 512, rel=0.03)


def test_what_lies_outside_is_left_alone_and_a_later_thing_covers() -> None:
    picture = canvas()
    paint_ball(picture, "fat", (400, 0, 0), (10, 10, 10))
    assert not picture.image.any()
    paint_ball(picture, "fat", (0, 0, 0), (20, 20, 20))
    paint_ball(picture, "air", (0, 0, 0), (10, 10, 10))
    assert picture.image[25, 25, 25] == 0
    assert picture.image.max() == 1


def test_a_canvas_seen_from_another_frame_is_the_same_picture() -> None:
    picture = canvas()
    move = np.eye(4)
    move[:3, 3] = (30, 0, 0)
    copy = picture.copied({"fat": 0.5})
    paint_ball(picture.seen_from(move), "fat", (30, 0, 0), (10, 10, 10))
    straight = canvas()
    paint_ball(straight, "fat", (0, 0, 0), (10, 10, 10))
    np.testing.assert_allclose(picture.image, straight.image, atol=1e-4)
    assert not copy.image.any()
    paint_ball(copy, "fat", (0, 0, 0), (10, 10, 10))
    assert copy.image.max() == 0.5
