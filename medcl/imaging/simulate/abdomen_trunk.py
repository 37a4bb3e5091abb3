"""The trunk round the abdominal organs: wall with ribs, diaphragm, lung bases, heart, spine, psoas.

The patient's frame is RAS+ in mm with its origin in the middle of the body at the height of the kidneys: x to the
patient's right, y to the front, z to the head. Sizes and places are chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.abdomen_person import AbdomenPerson
from medcl.imaging.simulate.organ_canvas import OrganCanvas
from medcl.imaging.simulate.shapes import Points, ellipsoid
from medcl.imaging.simulate.solids import paint_ball, paint_rod

SKIN_MM = 2.0
RIB_PERIOD, VERTEBRA_PERIOD = 26.0, 34.0
"""mm from one rib, or vertebra, to the next."""

RIB_FALL = 30.0
"""mm that a rib falls per radian on its way to the front."""

RIBS_END = -45.0
"""Height of the lowest rib beside the spine."""

TOP, BOTTOM = 240.0, -240.0
"""Ends in mm of what runs along the body."""


@dataclass(frozen=True)
class Trunk:
    """A trunk in mm.

    Args:
        width: half width of the cavity inside the wall.
        front: depth of the cavity before the origin.
        back: depth behind it.
        taper: relative growth of the width over 100 mm towards the head.
        wall: thickness of the muscles.
        inside: thickness of the fat round an organ.
        fat: thickness of the fat under the skin at the sides, in front and behind.
        domes: height of the right and the left dome of the diaphragm.
        rim: height of the diaphragm at the wall.
        ribs: shift of the ribs along z.
        spine: shift of the vertebrae along z.
        vertebra: radius of the vertebral bodies.
        psoas: radius of the psoas at the height of the kidneys.
        bronchi: vessels of the lung bases as (start, end, radius).
    """

    width: float
    front: float
    back: float
    taper: float
    wall: float
    inside: float
    fat: tuple[float, float, float]
    domes: tuple[float, float]
    rim: float
    ribs: float
    spine: float
    vertebra: float
    psoas: float
    bronchi: tuple[tuple[NDArray[Any], NDArray[Any], float], ...]

    @property
    def backbone(self) -> float:
        """y of the middle of the vertebral bodies."""
        return -self.back + 0.95 * self.vertebra

    def cavity(self, points: Points) -> NDArray[Any]:
        """Return the distance from the inside of the wall, negative in the cavity."""
        x, y, z = points
        a = np.abs(x) / (np.float32(self.width) * (1 + np.float32(self.taper / 100) * np.clip(z, -120, 120)))
        b = np.abs(y) / np.where(y > 0, np.float32(self.front), np.float32(self.back))
        # A trunk is flatter than an ellipse in front and behind.
        level = (a * a * np.sqrt(a) + b * b * np.sqrt(b)) ** np.float32(0.4)
        return np.asarray(np.sqrt(x * x + y * y) * (1 - 1 / np.maximum(level, np.float32(1e-3))))

    def dome(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """Return z of the diaphragm."""
        back = ((y - np.float32(12)) / np.float32(1.25 * self.front)) ** 2
        wide = np.float32(0.62 * self.width)
        right = np.exp(-(((x - np.float32(0.48 * self.width)) / wide) ** 2) - back)
        left = np.exp(-(((x + np.float32(0.52 * self.width)) / wide) ** 2) - back)
        high, low = (np.float32(top - self.rim) for top in self.domes)
        # Between the domes the tendon, on which the heart lies, is hardly lower.
        return np.asarray(np.float32(self.rim) + high * right + low * left - np.float32(0.9) * low * right * left)

    def above(self, points: Points) -> NDArray[Any]:
        """Return about the distance from the diaphragm, positive in the chest."""
        return np.asarray((points[2] - self.dome(points[0], points[1])) * np.float32(0.75))


def draw_trunk(person: AbdomenPerson, random: np.random.Generator) -> Trunk:
    """Draw a trunk: fat lies under the skin or, more in men, between the organs."""
    frame = person.frame * float(np.exp(random.normal(0, 0.03)))
    fat = max(person.fatness - 16.0, 1.5)
    inside = float(np.clip(random.normal(0.38 if person.female else 0.55, 0.12), 0.15, 0.85))
    right = float(random.normal(112, 9))
    bronchi = []
    for _ in range(40):
        start = np.array([random.choice([-1.0, 1.0]) * random.uniform(35, 95), random.uniform(-55, 45), 0.0])
        start[2] = random.uniform(60, 170)
        bronchi.append((start, start + random.normal(0, [9, 9, 18]), float(random.uniform(0.9, 2.4))))
    return Trunk(
        width=124.0 * frame + 1.1 * fat * inside,
        front=68.0 * frame + 3.2 * fat * inside + float(random.normal(0, 4)),
        back=76.0 * frame + 0.6 * fat * inside,
        taper=float(random.normal(-0.01, 0.03)),
        wall=float(random.uniform(11, 18)),
        inside=0.45 * fat * inside,
        fat=(
            float(1.6 * fat * (1 - inside) * random.uniform(0.7, 1.4) + 3),
            float(2.0 * fat * (1 - inside) * random.uniform(0.7, 1.4) + 3),
            float(1.4 * fat * (1 - inside) * random.uniform(0.7, 1.4) + 4),
        ),
        domes=(right, right - float(random.uniform(6, 22))),
        rim=float(random.uniform(5, 30)),
        ribs=float(random.uniform(0, RIB_PERIOD)),
        spine=float(random.uniform(0, VERTEBRA_PERIOD)),
        vertebra=float(20.5 * frame * np.exp(random.normal(0, 0.05))),
        psoas=float(15.0 * frame * np.exp(random.normal(0, 0.15)) * (0.88 if person.female else 1.0)),
        bronchi=tuple(bronchi),
    )


def paint_trunk(canvas: OrganCanvas, trunk: Trunk) -> None:
    """Paint everything but what lies in the belly; the cavity is left full of fat."""
    where = canvas.grid.whole()
    points = canvas.points(where)
    cavity = trunk.cavity(points)
    x, y, _ = points
    radius = np.sqrt(x * x + y * y) + 1
    behind, before = np.clip(-y / radius, 0, 1) ** 2, np.clip(y / radius, 0, 1) ** 2
    # The muscles beside the spine thicken the wall behind.
    wall = np.float32(trunk.wall) * (1 + np.float32(1.9) * behind * behind)
    side, front, back = (np.float32(value) for value in trunk.fat)
    skin = wall + side + (front - side) * before + (back - side) * behind
    canvas.cover("skin", where, canvas.covered(cavity - skin - np.float32(SKIN_MM)))
    canvas.cover("fat", where, canvas.covered(cavity - skin))
    canvas.cover("muscle", where, canvas.covered(cavity - wall))
    # A layer of fat between the muscles.
    canvas.cover("fat", where, canvas.covered(np.abs(cavity - np.float32(0.62) * wall) - np.float32(1.0)))
    _paint_ribs(canvas, trunk, cavity, points)
    canvas.cover("fat", where, canvas.covered(cavity))
    above = trunk.above(points)
    if float(above.max()) > -float(canvas.edge) - 3:
        inside = canvas.covered(cavity)
        canvas.cover("muscle", where, inside * canvas.covered(-above - np.float32(2.5)))
        canvas.cover("lung", where, inside * canvas.covered(-above))
        for start, end, thick in trunk.bronchi:
            if min(place[2] - float(trunk.dome(place[0], place[1])) for place in (start, end)) > 12:
                paint_rod(canvas, "lung_vessel", start, end, thick)
        _paint_heart(canvas, trunk)
    _paint_spine(canvas, trunk)


def _paint_ribs(canvas: OrganCanvas, trunk: Trunk, cavity: NDArray[Any], points: Points) -> None:
    """Ribs fall from the spine to the front and end above the waist."""
    where = canvas.grid.whole()
    x, y, z = points
    if float(z.max()) < RIBS_END - 90:
        return
    # The angle from the spine, 0 to pi in front.
    angle = np.arctan2(np.abs(x), -y)
    phase = np.cos((z + np.float32(RIB_FALL) * angle - np.float32(trunk.ribs)) * np.float32(2 * np.pi / RIB_PERIOD))
    lowest = np.float32(RIBS_END) + np.float32(24) * angle
    phase = np.clip((phase - np.float32(0.25)) * 4, 0, 1) * np.clip((z - lowest) / 12, 0, 1)
    phase *= np.clip((np.float32(2.75) - angle) * 12, 0, 1)  # cartilage in front is not drawn
    middle = np.abs(cavity - np.float32(0.28 * trunk.wall))
    canvas.cover("bone", where, phase * canvas.covered(middle - np.float32(0.24 * trunk.wall)))
    canvas.cover("marrow", where, phase * phase * canvas.covered(middle - np.float32(0.10 * trunk.wall)))


def _paint_heart(canvas: OrganCanvas, trunk: Trunk) -> None:
    """The heart rests on the diaphragm, left of the middle; fat and muscle round blood."""
    middle = np.array([-28.0, 0.42 * trunk.front, trunk.domes[1] + 24.0])
    parts = (("fat", (70, 54, 52), 1.5), ("myocardium", (63, 48, 47), 2.0), ("heart_blood", (50, 37, 37), 9.0))
    for tissue, radii, over in parts:

        def distance(points: Points, radii: tuple[int, int, int] = radii, over: float = over) -> NDArray[Any]:
            return np.asarray(np.maximum(ellipsoid(points, middle, radii), np.float32(over) - trunk.above(points)))

        canvas.solid(tissue, middle - radii, middle + radii, distance)


def _paint_spine(canvas: OrganCanvas, trunk: Trunk) -> None:
    y, r = trunk.backbone, trunk.vertebra
    for side in (-1.0, 1.0):
        wide = np.array([side * (r + 0.8 * trunk.psoas), y + 2.0, 0.0])
        paint_rod(canvas, "muscle", wide + [-side * 9, -3, 75], wide, 0.45 * trunk.psoas, trunk.psoas)
        paint_rod(canvas, "muscle", wide, wide + [side * 16, 8, -170], trunk.psoas, 1.7 * trunk.psoas)
    paint_rod(canvas, "bone", (0, y, TOP), (0, y, BOTTOM), r)
    paint_rod(canvas, "marrow", (0, y, TOP), (0, y, BOTTOM), r - 2.0)
    where = canvas.grid.box((-r, y - r, BOTTOM), (r, y + r, TOP))
    x, depth, z = canvas.points(where)
    phase = np.cos((z - np.float32(trunk.spine)) * np.float32(2 * np.pi / VERTEBRA_PERIOD))
    disc = np.clip((phase - np.float32(0.72)) * 6, 0, 1)
    canvas.cover("disc", where, disc * canvas.covered(np.hypot(x, depth - np.float32(y)) - np.float32(r)))
    behind = y - r - 7.5
    first = int(np.ceil((-160.0 - trunk.spine) / VERTEBRA_PERIOD))
    for number in range(first, first + 11):
        level = trunk.spine + (number + 0.5) * VERTEBRA_PERIOD
        paint_rod(canvas, "bone", (-1.6 * r, behind - 3, level), (1.6 * r, behind - 3, level), 3.5)
        paint_ball(canvas, "bone", (0, behind - 17, level - 6), (3.0, 13, 9))
    paint_rod(canvas, "bone", (0, behind, TOP), (0, behind, BOTTOM), 11.5)
    paint_rod(canvas, "csf", (0, behind, TOP), (0, behind, BOTTOM), 8.0)
    paint_rod(canvas, "cord", (0, behind, TOP), (0, behind, BOTTOM), 4.5)
