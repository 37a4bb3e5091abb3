"""The canvas that keeps whose each voxel is: later paint takes from earlier, within an organ it stays the organ's."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.grid import Grid
from medcl.imaging.simulate.organ_canvas import OrganCanvas, label_map
from medcl.imaging.simulate.solids import paint_ball, paint_rod

SIGNAL = {"air": -1000.0, "organ": 60.0, "vessel": 160.0, "gut": 40.0}
GRID = Grid((24, 24, 4), np.array([[1.0, 0, 0, -11.5], [0, 1, 0, -11.5], [0, 0, 1, -1.5], [0, 0, 0, 1]]))


@pytest.fixture
def canvas() -> OrganCanvas:
    return OrganCanvas(GRID, SIGNAL, (1, 7))


def test_it_starts_as_air_that_is_nobodys(canvas: OrganCanvas) -> None:
    assert (canvas.image == -1000).all()
    assert not label_map(canvas.flat()[1]).any()


def test_it_paints_as_any_canvas_does(canvas: OrganCanvas) -> None:
    plain = Canvas(GRID, SIGNAL)
    plain.image += np.float32(-1000)
    for each in (plain, canvas):
        paint_ball(each, "organ", (1, 2, 0), (6, 5, 7))
        paint_rod(each, "vessel", (-8, 0, 3), (8, 1, -1), 1.5)
        paint_ball(each, "gut", (0, 0, 40), (6, 5, 7))
    np.testing.assert_allclose(canvas.image, plain.image, atol=1e-3)


def test_shares_follow_the_order_of_painting(canvas: OrganCanvas) -> None:
    with canvas.belonging_to(7):
        paint_ball(canvas, "organ", (0, 0, 0), (8, 8, 20))
    alone = canvas.flat()[1][7].sum()
    assert alone == pytest.approx(np.pi * 64, rel=0.03)
    with canvas.belonging_to(7):
        paint_rod(canvas, "vessel", (0, 0, -9), (0, 0, 9), 2.0)
    assert canvas.flat()[1][7].sum() == pytest.approx(alone)
    paint_rod(canvas, "gut", (4, 0, -9), (4, 0, 9), 2.0)
    labels = label_map(canvas.flat()[1])
    assert labels[12, 12] == 7
    assert labels[15, 11] == 0
    assert canvas.flat()[1][7].sum() == pytest.approx(alone - np.pi * 4, rel=0.03)
    with canvas.belonging_to(1):
        paint_ball(canvas, "organ", (-4, 0, 0), (2, 2, 20))
    labels = label_map(canvas.flat()[1])
    assert set(np.unique(labels)) == {0, 1, 7}
    total = sum(canvas.shares.values())
    assert float(np.max(total)) <= 1 + 1e-5


def test_a_slice_is_the_mean_over_its_thickness(canvas: OrganCanvas) -> None:
    with canvas.belonging_to(1):
        paint_ball(canvas, "organ", (0, 0, 0), (8, 8, 1))
    image, shares = canvas.flat()
    np.testing.assert_allclose(image, canvas.image.mean(axis=2), rtol=1e-5)
    np.testing.assert_allclose(shares[1], canvas.shares[1].mean(axis=2), atol=1e-6)
