"""The chest round the heart: wall with ribs, lungs, diaphragm, liver, stomach, spleen, spine and great vessels.

The patient's frame is RAS+ in mm with its origin in the middle of the left ventricle: x to the patient's right, y to
the front, z to the head. The body's midline lies some 45 mm to the right of it. Sizes and places are chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.shapes import rotation
from medcl.imaging.simulate.solids import paint_ball, paint_rod

SKIN_MM = 2.0
RIB_PERIOD = 27.0
"""mm from one rib to the next."""


@dataclass(frozen=True)
class Thorax:
    """A patient's chest in mm.

    Args:
        midline: x of the body's middle.
        width: half width inside the wall.
        depth: half depth inside the wall.
        middle: y of the chest's middle.
        wall: thickness of muscles and ribs.
        fat: thickness of the fat at the sides and in front.
        ribs: shift of the ribs along z.
        liver: height of the right dome of the diaphragm.
        diaphragm: height of the left dome, under the heart.
        aorta: radius of the descending aorta.
        stomach: middle, half axes and share of the height that is gas.
        filling: "fluid" or "food".
        spleen: middle of the spleen.
        vessels: vessels of the lungs as (start, end, radius).
        veins: vessels of the liver, likewise.
    """

    midline: float
    width: float
    depth: float
    middle: float
    wall: float
    fat: tuple[float, float]
    ribs: float
    liver: float
    diaphragm: float
    aorta: float
    stomach: tuple[NDArray[Any], NDArray[Any], float]
    filling: str
    spleen: NDArray[Any]
    vessels: tuple[tuple[NDArray[Any], NDArray[Any], float], ...]
    veins: tuple[tuple[NDArray[Any], NDArray[Any], float], ...]

    def dome(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        """Return z of the diaphragm."""
        low = np.float32(-125.0)
        back = ((y - np.float32(self.middle + 6)) / np.float32(self.depth * 1.05)) ** 2
        right = np.exp(-(((x - np.float32(self.midline + 62)) / np.float32(82)) ** 2) - back)
        left = np.exp(-(((x - np.float32(self.midline - 75)) / np.float32(88)) ** 2) - back)
        return np.asarray(low + np.maximum((self.liver - low) * right, (self.diaphragm - low) * left))


def draw_thorax(surface: float, fatness: float, heart: float, random: np.random.Generator) -> Thorax:
    """Draw a chest.

    Args:
        surface: the body's, in m2.
        fatness: body-mass index in kg/m2.
        heart: radius of the left ventricle with its wall in mm; the heart rests on the diaphragm.
        random: the patient's own generator.
    """
    frame = float((surface / 1.85) ** 0.4 * np.exp(random.normal(0, 0.04)))
    fat = max(fatness - 17.0, 1.5)
    midline = float(50 * frame + random.normal(0, 5))
    depth = float((86 + 0.8 * (heart - 34)) * frame + random.normal(0, 4))
    vessels = []
    for _ in range(70):
        side = random.choice([-1.0, 1.0])
        hilum = np.array([midline + side * 45, -25.0, 45.0])
        start = hilum + random.normal(0, [22, 22, 30]) + [side * 25, 0, 0]
        way = (start - hilum) / max(float(np.linalg.norm(start - hilum)), 1.0)
        vessels.append((start, start + way * random.uniform(15, 45) + random.normal(0, 8, 3), random.uniform(0.9, 2.6)))
    veins = []
    for _ in range(16):
        start = np.array([midline + random.uniform(-20, 95), random.uniform(-70, 45), random.uniform(-115, -45)])
        veins.append((start, start + random.normal(0, 18, 3), float(random.uniform(1.5, 4.5))))
    return Thorax(
        midline=midline,
        width=124.0 * frame,
        depth=depth,
        middle=float(-18 + random.normal(0, 4)),
        wall=float(random.uniform(13, 21)),
        fat=(float(1.2 * fat * random.uniform(0.6, 1.5) + 4), float(1.2 * fat * random.uniform(0.7, 2.0) + 5)),
        ribs=float(random.uniform(0, RIB_PERIOD)),
        liver=float(random.normal(5, 10)),
        diaphragm=float(-heart - 6 + random.normal(0, 3)),
        aorta=float(random.uniform(9.5, 13.5)),
        stomach=(
            np.array([midline - 85, 6.0, -heart - 52]) + random.normal(0, [10, 12, 8]),
            np.array([38.0, 36.0, 32.0]) * np.exp(random.normal(0, 0.18, 3)),
            float(random.uniform(-0.4, 0.9)),
        ),
        filling=str(random.choice(["fluid", "food"])),
        spleen=np.array([midline - 112, -62.0, -heart - 45]) + random.normal(0, 8, 3),
        vessels=tuple(vessels),
        veins=tuple(veins),
    )


def paint_thorax(canvas: Canvas, chest: Thorax) -> None:
    """Paint everything but the heart and the vessels that leave it."""
    _paint_arms(canvas, chest)
    _paint_wall(canvas, chest)
    for start, end, radius in chest.vessels:
        paint_rod(canvas, "vessel", start, end, radius)
    _paint_mediastinum(canvas, chest)
    _paint_abdomen(canvas, chest)
    _paint_spine(canvas, chest)
    paint_rod(canvas, "muscle", (chest.midline - 8, -52, 150), (chest.midline - 22, -44, -60), 7.0)
    top, bottom = (chest.midline - 26, -62.0, 160.0), (chest.midline - 10, -66.0, -150.0)
    paint_rod(canvas, "muscle", top, bottom, chest.aorta + 1.5)
    paint_rod(canvas, "vessel", top, bottom, chest.aorta)
    paint_rod(canvas, "vessel", (chest.midline + 26, -28, -150), (chest.midline + 30, -14, -10), 11.5)


def _paint_wall(canvas: Canvas, chest: Thorax) -> None:
    where = canvas.grid.whole()
    x, y, z = canvas.grid.points(where)
    x, y = x - np.float32(chest.midline), y - np.float32(chest.middle)
    # A chest is flatter than an ellipse in front and behind.
    level = ((np.abs(x) / np.float32(chest.width)) ** 2.5 + (np.abs(y) / np.float32(chest.depth)) ** 2.5) ** 0.4
    distance = np.sqrt(x * x + y * y) * (1 - 1 / np.maximum(level, 1e-3))
    front = np.clip(y / (np.sqrt(x * x + y * y) + 1), 0, 1) ** 2
    fat = np.float32(chest.fat[0]) + np.float32(chest.fat[1] - chest.fat[0]) * front + np.float32(chest.wall)
    canvas.cover("skin", where, canvas.covered(distance - fat - SKIN_MM))
    canvas.cover("fat", where, canvas.covered(distance - fat))
    canvas.cover("muscle", where, canvas.covered(distance - chest.wall))
    # A layer of fat between the muscles outside the ribs and the ribs.
    layer = canvas.covered(np.abs(distance - 0.62 * chest.wall) - 1.2)
    canvas.cover("fat", where, layer)
    # Ribs fall from the spine to the front and run round the chest.
    phase = np.cos((z + np.float32(0.35) * y - np.float32(chest.ribs)) * np.float32(2 * np.pi / RIB_PERIOD))
    inside = canvas.covered(np.abs(distance - 0.28 * chest.wall) - 0.24 * chest.wall)
    canvas.cover("bone", where, inside * np.clip((phase - 0.25) * 4, 0, 1))
    core = canvas.covered(np.abs(distance - 0.28 * chest.wall) - 0.10 * chest.wall)
    canvas.cover("marrow", where, core * np.clip((phase - 0.5) * 4, 0, 1))
    canvas.cover("lung", where, canvas.covered(distance))


def _paint_arms(canvas: Canvas, chest: Thorax) -> None:
    for side in (-1, 1):
        away = chest.midline + side * (chest.width + chest.wall + chest.fat[0] + 46)
        top, bottom = (away, chest.middle - 20, 160.0), (away + side * 12, chest.middle - 20, -160.0)
        for tissue, radius in (("skin", 40.0), ("fat", 38.5), ("muscle", 33.0), ("bone", 11.0), ("marrow", 8.0)):
            paint_rod(canvas, tissue, top, bottom, radius)


def _paint_mediastinum(canvas: Canvas, chest: Thorax) -> None:
    half = 0.5 * chest.depth
    paint_ball(canvas, "fat", (chest.midline - 4, chest.middle + half, 10), (26, half, 120))
    paint_ball(canvas, "fat", (chest.midline - 4, chest.middle - half, 10), (34, half, 140))
    front = chest.middle + chest.depth
    paint_rod(canvas, "bone", (chest.midline, front + 4, 130), (chest.midline, front + 4, -45), 8.0)
    paint_rod(canvas, "marrow", (chest.midline, front + 4, 130), (chest.midline, front + 4, -45), 5.5)


def _paint_abdomen(canvas: Canvas, chest: Thorax) -> None:
    where = canvas.grid.whole()
    x, y, z = canvas.grid.points(where)
    out_x, out_y = (x - np.float32(chest.midline)) / np.float32(chest.width), (y - np.float32(chest.middle))
    inside = (np.abs(out_x) ** 2.5 + (np.abs(out_y) / np.float32(chest.depth)) ** 2.5) ** 0.4
    within = canvas.covered((inside - 1) * np.float32(0.8 * chest.depth))
    above = (z - chest.dome(x, y)) * np.float32(0.75)
    canvas.cover("muscle", where, within * canvas.covered(above - 2.5))
    canvas.cover("fat", where, within * canvas.covered(above))
    border = np.float32(chest.midline - 42) - x + np.float32(0.35) * (z + 60)
    canvas.cover("liver", where, within * canvas.covered(np.maximum(above + 1.5, border * np.float32(0.9))))
    for start, end, radius in chest.veins:
        paint_rod(canvas, "vessel", start, end, radius)
    paint_ball(canvas, "spleen", chest.spleen, (26, 42, 40), rotation(20, 0, 15))
    middle, half, gas = chest.stomach
    paint_ball(canvas, "muscle", middle, half + 3)
    paint_ball(canvas, chest.filling, middle, half)
    # Lying on the back, gas gathers in front.
    lifted = middle + np.array([0, half[1] * (1.05 - gas * 0.5), 0])
    paint_ball(canvas, "air", lifted, half * [0.75, 0.35 + 0.25 * gas, 0.8])


def _paint_spine(canvas: Canvas, chest: Thorax) -> None:
    back = chest.middle - chest.depth
    x = chest.midline
    paint_rod(canvas, "bone", (x, back + 18, -160), (x, back + 18, 170), 19.0)
    paint_rod(canvas, "marrow", (x, back + 18, -160), (x, back + 18, 170), 17.2)
    for side in (-1, 1):
        paint_rod(canvas, "muscle", (x + side * 26, back - 16, -160), (x + side * 26, back - 16, 170), 19.0)
    paint_rod(canvas, "bone", (x, back - 12, -160), (x, back - 12, 170), 12.0)
    paint_rod(canvas, "fluid", (x, back - 9, -160), (x, back - 9, 170), 8.0)
    paint_rod(canvas, "muscle", (x, back - 9, -160), (x, back - 9, 170), 4.5)
