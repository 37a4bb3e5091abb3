"""The organs' shapes: hollow kidneys beside the spine, a liver and a spleen that keep to their room, and variety."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.imaging.simulate.abdomen_anatomy import Belly, draw_anatomy
from medcl.imaging.simulate.abdomen_kidney import paint_abdomen_kidney
from medcl.imaging.simulate.abdomen_person import AbdomenPerson, draw_abdomen_person
from medcl.imaging.simulate.grid import Grid, scan_grid
from medcl.imaging.simulate.organ_canvas import OrganCanvas
from medcl.imaging.simulate.shapes import Points

SIGNAL = dict.fromkeys(("cortex", "medulla"), 1.0) | {"air": 0.0, "fat": 0.0, "urine": 0.0}


def person(number: int, **changed: float) -> AbdomenPerson:
    return replace(draw_abdomen_person(number, np.random.default_rng(number)), **changed)  # type: ignore[arg-type]


def anatomy(seed: int, **changed: float) -> Belly:
    return draw_anatomy(person(seed, **changed), np.random.default_rng(seed))


def whole(step: float = 5.0) -> tuple[Grid, Points]:
    size = tuple(round(length / step) for length in (380, 300, 330))
    grid = scan_grid("RAS", size, (step,) * 3, (0, 0, 40), np.eye(3))  # type: ignore[arg-type]
    return grid, grid.points(grid.whole())


@pytest.mark.parametrize("seed", range(1, 6))
def test_liver_and_spleen_keep_within_the_wall_and_under_the_diaphragm(seed: int) -> None:
    belly = anatomy(seed)
    _, points = whole()
    room = (belly.trunk.cavity(points) < 0) & (belly.trunk.above(points) < 0)
    liver = belly.liver.distance(points, belly.trunk, belly.right) < 0
    spleen = belly.spleen.distance(points, belly.trunk) < 0
    assert liver.sum() * 0.125 > 600
    assert spleen.sum() * 0.125 > 40
    assert not (liver & ~room).any()
    assert not (spleen & ~room).any()
    assert (liver & (points[0] > 0)).sum() > 0.6 * liver.sum()
    assert not (spleen & (points[0] > 0)).any()
    low, high = belly.extent
    for organ in (liver, spleen):
        heights = np.broadcast_to(points[2], organ.shape)[organ]
        assert low - 1 < heights.min() < heights.max() < high + 1


@pytest.mark.parametrize("seed", range(1, 6))
def test_kidneys_lie_beside_the_spine_on_both_sides_and_are_hollow(seed: int) -> None:
    belly = anatomy(seed)
    for kidney in (belly.right, belly.left):
        assert np.sign(kidney.centre[0]) == kidney.side
        assert kidney.centre[1] < 0
        assert abs(kidney.hilum[0]) < abs(kidney.centre[0])
        assert np.linalg.det(kidney.axes) == pytest.approx(kidney.side)
        grid = scan_grid("RAS", (52, 52, 64), (2.0, 2.0, 2.0), kidney.centre, np.eye(3))
        canvas = OrganCanvas(grid, SIGNAL, (2,))
        paint_abdomen_kidney(canvas, kidney, 2)
        volume = float(canvas.shares[2].sum()) * 8 / 1000
        bean = 4 / 3 * np.pi * float(np.prod(kidney.radii)) / 1000
        assert 0.7 * bean < volume < 0.97 * bean
        hollow = kidney.centre - kidney.axes[:, 0] * kidney.radii[0] * 0.75
        index = tuple(np.rint(np.linalg.inv(grid.affine) @ np.append(hollow, 1.0)).astype(int)[:3])
        assert canvas.shares[2][index] < 0.1


def test_a_fuller_person_has_a_larger_trunk_and_more_fat_round_the_organs() -> None:
    slim, full = (anatomy(1, weight=weight).trunk for weight in (55.0, 110.0))
    assert full.width > slim.width
    assert sum(full.fat) > 1.5 * sum(slim.fat)
    assert full.inside > 1.5 * slim.inside


def test_the_diaphragm_is_highest_on_the_right() -> None:
    trunk = anatomy(2).trunk
    x = np.linspace(-trunk.width, trunk.width, 101)
    heights = trunk.dome(x, np.full(101, 12.0))
    assert x[heights.argmax()] > 0.2 * trunk.width
    assert heights.max() <= trunk.domes[0] + 8
    # The tendon between the domes is not much lower.
    assert heights[50] > trunk.rim + 0.6 * (trunk.domes[1] - trunk.rim)


def test_sizes_places_and_tilts_differ_between_people() -> None:
    many = [anatomy(seed) for seed in range(1, 25)]
    for values in (
        [belly.spleen.radii.prod() for belly in many],
        [belly.right.radii.prod() for belly in many],
        [belly.liver.lobes[1][1].prod() for belly in many],
    ):
        assert np.std(values) > 0.1 * np.mean(values)
    assert np.std([belly.right.centre[2] for belly in many]) > 5
    assert np.std([np.rad2deg(np.arccos(belly.left.axes[2, 2])) for belly in many]) > 2
    assert len({belly.contents.filling for belly in many}) > 2
