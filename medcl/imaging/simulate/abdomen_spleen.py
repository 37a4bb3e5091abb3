"""The spleen: a lump under the left dome of the diaphragm, hollowed by the stomach and the kidney. Chosen by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.abdomen_trunk import Trunk
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.organ_canvas import OrganCanvas
from medcl.imaging.simulate.shapes import Points, ellipsoid, rotation

SURFACE_MM = 1.8
"""How uneven the surface is: standard deviation of its displacement."""

GAP_MM = 0.5
"""Between the spleen and the wall or the diaphragm."""


@dataclass(frozen=True)
class Spleen:
    """A spleen in the patient's frame, mm.

    Args:
        centre: of the lump.
        radii: half axes to the side, to the front, to the head.
        axes: their directions, as columns.
        hollow: middle and half axes of the ball that hollows its inner side.
        bumps: displacement of the surface.
    """

    centre: NDArray[Any]
    radii: NDArray[Any]
    axes: NDArray[Any]
    hollow: tuple[NDArray[Any], NDArray[Any]]
    bumps: Mottle

    @property
    def reach(self) -> NDArray[Any]:
        """How far the spleen reaches from its centre along x, y and z at most."""
        return np.asarray(np.sqrt((self.axes**2) @ self.radii**2) + 3 * SURFACE_MM)

    def distance(self, points: Points, trunk: Trunk) -> NDArray[Any]:
        """Return the distance from the surface."""
        lump = ellipsoid(points, self.centre, tuple(self.radii), self.axes)
        lump = lump + np.float32(SURFACE_MM / np.sqrt(2.0)) * self.bumps(points)
        middle, radii = self.hollow
        lump = np.maximum(lump, -ellipsoid(points, middle, tuple(radii), self.axes))
        return np.asarray(np.maximum(lump, np.maximum(trunk.cavity(points), trunk.above(points)) + np.float32(GAP_MM)))


def draw_spleen(trunk: Trunk, frame: float, random: np.random.Generator) -> Spleen:
    """Draw a spleen; its volume varies more than that of any other organ, and one in ten is large."""
    size = frame * float(np.exp(random.normal(0, 0.10))) * (1.3 if random.random() < 0.1 else 1.0)
    radii = np.array([36.0, 54.0, 57.0]) * size * np.exp(random.normal(0, 0.07, 3))
    axes = rotation(float(random.normal(18, 10)), float(random.normal(-14, 8)), float(random.normal(-20, 9)))
    centre = np.array([-trunk.width + 0.80 * radii[0], -0.38 * trunk.back, 0.55 * trunk.domes[1]])
    centre = centre + random.normal(0, [3, 8, 9])
    inner = centre + axes @ (radii * [1.22, random.uniform(0.05, 0.35), random.uniform(-0.2, 0.2)])
    return Spleen(centre, radii, axes, (inner, radii * [0.80, 0.90, 1.0]), Mottle.draw(random, length=55.0))


def paint_spleen(canvas: OrganCanvas, spleen: Spleen, trunk: Trunk, label: int) -> None:
    """Paint the spleen."""
    with canvas.belonging_to(label):
        reach = spleen.reach
        canvas.solid("spleen", spleen.centre - reach, spleen.centre + reach, lambda p: spleen.distance(p, trunk))
