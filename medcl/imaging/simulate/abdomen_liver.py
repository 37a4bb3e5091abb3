"""The liver: two lobes under the diaphragm, hollowed below, with vessels and here and there a cyst. Chosen by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.abdomen_kidney import AbdomenKidney
from medcl.imaging.simulate.abdomen_trunk import Trunk
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.organ_canvas import OrganCanvas
from medcl.imaging.simulate.shapes import Points, capsule, ellipsoid, rotation

SURFACE_MM = 2.0
"""How uneven the surface is: standard deviation of its displacement."""

GAP_MM = 0.5
"""Between the liver and the wall, the diaphragm or the kidney's fat."""

BLEND_MM = 14.0
"""Over so many mm the two lobes run into one another."""

Rod = tuple[NDArray[Any], NDArray[Any], float, float]
"""Start, end and the radii at both."""


@dataclass(frozen=True)
class Liver:
    """A liver in the patient's frame, mm.

    Args:
        lobes: middle, half axes and directions of the right and the left lobe.
        hollow: middle and half axes of the ball that hollows it from below, where stomach, bowel and porta lie.
        edge: the lower edge: its height on the right, at x = 90, and how far it rises per mm to the left.
        bumps: displacement of the surface.
        veins: branches of portal and hepatic veins.
        cysts: (middle, radius) of cysts.
    """

    lobes: tuple[tuple[NDArray[Any], NDArray[Any], NDArray[Any]], ...]
    hollow: tuple[NDArray[Any], NDArray[Any]]
    edge: tuple[float, float]
    bumps: Mottle
    veins: tuple[Rod, ...]
    cysts: tuple[tuple[NDArray[Any], float], ...]

    @property
    def box(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Lowest and highest x, y, z that it can reach."""
        ends = [(middle, np.sqrt((axes**2) @ radii**2) + 3 * SURFACE_MM) for middle, radii, axes in self.lobes]
        return np.min([a - b for a, b in ends], axis=0), np.max([a + b for a, b in ends], axis=0)

    @property
    def lowest(self) -> float:
        """Height below which there is no liver."""
        return float(max(self.box[0][2], self.edge[0] - self.edge[1] * 60.0) - 3 * SURFACE_MM)

    def distance(self, points: Points, trunk: Trunk, kidney: AbdomenKidney) -> NDArray[Any]:
        """Return the distance from the surface; the right kidney lies in a dent of the liver."""
        right, left = (ellipsoid(points, middle, tuple(radii), axes) for middle, radii, axes in self.lobes)
        near = np.clip(0.5 - 0.5 * (right - left) / np.float32(BLEND_MM), 0, 1)
        both = left + (right - left) * near - np.float32(BLEND_MM) * near * (1 - near)
        both = both + np.float32(SURFACE_MM / np.sqrt(2.0)) * self.bumps(points)
        middle, radii = self.hollow
        both = np.maximum(both, -ellipsoid(points, middle, tuple(radii)))
        height, slope = self.edge
        x, y, z = points
        # In front it reaches lowest; behind, bowel and kidney lift it.
        lifted = np.float32(0.0035) * (y - np.float32(0.8 * trunk.front)) ** 2
        below = np.float32(height) + np.float32(slope) * (90 - x) + lifted - z
        both = np.maximum(both, below * np.float32(0.75))
        gap = np.float32(GAP_MM)
        dent = ellipsoid(points, kidney.centre, tuple(kidney.radii + kidney.fat), kidney.axes)
        both = np.maximum(both, gap - dent)
        return np.asarray(np.maximum(both, np.maximum(trunk.cavity(points), trunk.above(points)) + gap))


def draw_liver(trunk: Trunk, frame: float, random: np.random.Generator) -> Liver:
    """Draw a liver; the left lobe may end before the middle or reach the spleen."""
    size = frame * float(np.exp(random.normal(0, 0.06)))
    dome = trunk.domes[0]
    radii = np.array([76.0, 90.0, 94.0]) * size * np.exp(random.normal(0, 0.06, 3))
    middle = np.array([trunk.width - 0.80 * radii[0], 2.0 + random.normal(0, 6), dome - 0.86 * radii[2]])
    tilt = rotation(0, float(random.normal(6, 6)), float(random.normal(0, 8)))
    left = np.array([74.0, 38.0, 40.0]) * size * np.exp(random.normal(0, [0.16, 0.12, 0.12]))
    place = np.array([8.0, trunk.front - 0.95 * left[1] - 4, dome - 20 - left[2]]) + random.normal(0, [9, 3, 6])
    turn = rotation(float(random.normal(0, 6)), float(random.normal(-8, 7)), float(random.normal(10, 7)))
    gate = np.array([34.0, -4.0, dome - 72.0]) + random.normal(0, 5, 3)
    hollow = (np.array([-2.0, -34.0, dome - 108.0]) + random.normal(0, 6, 3), np.array([50.0, 52.0, 62.0]) * frame)
    cysts = []
    if random.random() < 0.3:
        for _ in range(int(random.integers(1, 4))):
            spot = middle + tilt @ (radii * random.uniform(-0.55, 0.55, 3))
            cysts.append((spot, float(random.uniform(4, 13))))
    return Liver(
        lobes=((middle, radii, tilt), (place, left, turn)),
        hollow=hollow,
        edge=(float(random.normal(-50, 13)), float(random.uniform(0.35, 0.6))),
        bumps=Mottle.draw(random, length=75.0),
        veins=tuple(_veins(gate, np.array([24.0, -12.0, dome - 18.0]), middle, radii, random)),
        cysts=tuple(cysts),
    )


def _veins(
    gate: NDArray[Any], top: NDArray[Any], middle: NDArray[Any], radii: NDArray[Any], random: np.random.Generator
) -> list[Rod]:
    """Trees from the porta (portal vein) and from the vena cava under the diaphragm (hepatic veins)."""
    rods: list[Rod] = []
    for root, thick, count in ((gate, 6.5, 4), (top, 5.5, 4)):
        for number in range(count):
            way = np.array([0.75 - 0.5 * number, random.uniform(-0.5, 0.7), random.uniform(-0.5, 0.35)])
            end = root + way / np.linalg.norm(way) * random.uniform(42, 62)
            rods.append((root, end, thick, 0.6 * thick))
            for _ in range(2):
                tip = end + random.normal(0, 24, 3) + 0.25 * (middle - end)
                rods.append((end, tip, 0.55 * thick, 0.25 * thick))
    return rods


def paint_liver(canvas: OrganCanvas, liver: Liver, trunk: Trunk, kidney: AbdomenKidney, label: int) -> None:
    """Paint the liver; its vessels and cysts are part of it."""
    low, high = liver.box
    where = canvas.grid.box(low, high)
    if any(part.start >= part.stop for part in where):
        return
    points = canvas.points(where)
    liver_distance = liver.distance(points, trunk, kidney)
    inside = canvas.covered(liver_distance)
    if not inside.any():
        return
    with canvas.belonging_to(label):
        canvas.cover("liver", where, inside)
        for start, end, thick, thin in liver.veins:
            _within(canvas, liver, trunk, kidney, "liver_vessel", (start, end, thick, thin))
        for spot, size in liver.cysts:
            _within(canvas, liver, trunk, kidney, "cyst", (spot, spot, size, size))


def _within(canvas: OrganCanvas, liver: Liver, trunk: Trunk, kidney: AbdomenKidney, tissue: str, rod: Rod) -> None:
    """Paint a rod as far as it lies 3 mm or more under the liver's surface."""
    start, end, thick, thin = rod

    def distance(points: Points) -> NDArray[Any]:
        return np.asarray(
            np.maximum(capsule(points, start, end, thick, thin), liver.distance(points, trunk, kidney) + 3)
        )

    canvas.solid(tissue, np.minimum(start, end) - thick, np.maximum(start, end) + thick, distance)
