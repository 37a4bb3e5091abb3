"""The body round the graft: wall, bones, muscles, vessels, bowel and bladder, none of which knows anything of GFR.

The patient's frame is RAS+ in mm with its origin between the iliac fossae: x to the patient's right, y to the front, z
to the head. Left-right symmetric parts are given for the right side and mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.shapes import rotation
from medcl.imaging.simulate.solids import paint_ball, paint_rod

SKIN_MM = 2.5

ILIAC_LINE = ((11.0, -14.0, 100.0), (34.0, 0.0, 35.0), (56.0, 34.0, -45.0), (66.0, 58.0, -110.0))
"""The right common and external iliac artery."""


@dataclass(frozen=True)
class Body:
    """A patient's build in mm: half width and half depth inside the fat, thickness of fat (sides, front) and wall.

    `frame` scales bones and muscles; `artery` and `vein` are radii of the iliac vessels.
    """

    width: float
    depth: float
    fat_side: float
    fat_front: float
    wall: float
    frame: float
    muscle: float
    artery: float
    vein: float


@dataclass(frozen=True)
class Contents:
    """What differs from day to day: bowel loops as (start, end, radius, filling) and the bladder's radii in mm."""

    loops: tuple[tuple[NDArray[Any], NDArray[Any], float, str], ...]
    bladder: tuple[float, float, float]


def draw_body(surface: float, fatness: float, random: np.random.Generator) -> Body:
    """Draw a build for a body surface in m2 and a body-mass index in kg/m2."""
    frame = float((surface / 1.85) ** 0.5 * np.exp(random.normal(0, 0.04)))
    fat = max(fatness - 17.0, 1.5)
    return Body(
        width=138.0 * frame,
        depth=float(88.0 * frame + 0.9 * fat + random.normal(0, 3)),
        fat_side=float(fat * random.uniform(0.8, 1.6) + 3),
        fat_front=float(fat * random.uniform(1.0, 2.2) + 4),
        wall=float(random.uniform(7, 13)),
        frame=frame,
        muscle=float(np.exp(random.normal(0, 0.10))),
        artery=float(random.uniform(4.2, 5.8)),
        vein=float(random.uniform(5.5, 8.0)),
    )


def draw_contents(body: Body, random: np.random.Generator) -> Contents:
    """Draw the bowel and the bladder of one day."""
    loops = []
    share = float(random.uniform(0, 0.6))
    fillings = (0.5 * (1 - share), share, 0.25 * (1 - share), 0.25 * (1 - share))
    for _ in range(int(random.integers(9, 19))):
        middle = np.array(
            [random.uniform(-0.72, 0.72) * body.width, random.uniform(0, 0.8) * body.depth, random.uniform(-45, 100)]
        )
        half = rotation(*random.uniform(-90, 90, 3)) @ np.array([random.uniform(8, 32), 0, 0])
        filling = str(random.choice(["gut_fluid", "gut_bright", "gut_gas", "gut_wall"], p=fillings))
        loops.append((middle - half, middle + half, float(random.uniform(9, 17)), filling))
    size = float(random.uniform(22, 46))
    return Contents(tuple(loops), (size * 1.15, size * 0.95, size * 0.85))


def paint_pelvis(canvas: Canvas, body: Body, contents: Contents) -> None:
    """Paint everything but the graft and its own vessels."""
    _paint_wall(canvas, body)
    for side in (-1.0, 1.0):
        _paint_side(canvas, body, side)
    _paint_midline(canvas, body)
    for start, end, radius, filling in contents.loops:
        paint_rod(canvas, "gut_wall", start, end, radius)
        paint_rod(canvas, filling, start, end, radius - 2.8)
    low = np.array([0.0, 30.0, -62.0])
    paint_ball(canvas, "bladder_wall", low, np.array(contents.bladder) + 3.5)
    paint_ball(canvas, "bladder", low, contents.bladder)
    for side in (-1.0, 1.0):
        _paint_vessels(canvas, body, side)


def iliac_artery(side: float, body: Body) -> NDArray[Any]:
    """Return the corners of an iliac artery's line, (4, 3) in mm; `side` is 1 on the right and -1 on the left."""
    return np.array(ILIAC_LINE) * [side * body.frame, body.frame, 1.0]


def _paint_wall(canvas: Canvas, body: Body) -> None:
    where = canvas.grid.whole()
    x, y, z = canvas.grid.points(where)
    # Hips are wider than the waist.
    waist = 1.0 - np.float32(0.0011) * np.clip(z, -60, 90)
    angle = np.abs(y) / (np.sqrt(x * x + y * y) + 1)
    fat = np.float32(body.fat_side) + np.float32(body.fat_front - body.fat_side) * angle**2
    level = np.sqrt((x / (np.float32(body.width) * waist)) ** 2 + (y / np.float32(body.depth)) ** 2)
    distance = np.sqrt(x * x + y * y) * (1 - 1 / np.maximum(level, 1e-3))
    canvas.cover("skin", where, canvas.covered(distance - fat - SKIN_MM))
    canvas.cover("fat", where, canvas.covered(distance - fat))
    canvas.cover("muscle", where, canvas.covered(distance))
    canvas.cover("fat", where, canvas.covered(distance + body.wall))


def _paint_side(canvas: Canvas, body: Body, side: float) -> None:
    size = np.array([side, 1.0, 1.0]) * body.frame
    flare = rotation(0, side * 14, -side * 24)
    plump = body.muscle
    paint_ball(
        canvas, "muscle", size * (88, -58, 5), np.array([50, 34, 85]) * body.frame * plump, rotation(0, 0, side * 28)
    )
    paint_ball(canvas, "muscle", size * (80, 2, 22), np.array([17 * plump, 48, 56]) * body.frame, flare)
    paint_rod(canvas, "muscle", size * (40, -26, 100), size * (60, 22, -110), 22 * body.frame * plump, 17 * body.frame)
    paint_rod(canvas, "muscle", size * (26, -84, 110), size * (26, -92, 0), 20 * body.frame * plump, 12 * body.frame)
    wing = (size * (98, -8, 22), np.array([7.5, 60, 58]) * body.frame)
    paint_ball(canvas, "bone", *wing, flare)
    paint_ball(canvas, "marrow", wing[0], wing[1] - 2.6, flare)
    head = size * (84, -2, -92)
    paint_ball(canvas, "bone", head, np.array([34, 34, 34]) * body.frame)
    paint_ball(canvas, "marrow", head, np.array([31, 31, 31]) * body.frame)


def _paint_midline(canvas: Canvas, body: Body) -> None:
    tilt = rotation(-18, 0, 0)
    for centre, radii in (((0, -62, 5), (46, 22, 62)), ((0, -38, 82), (27, 19, 20))):
        place = np.array(centre) * body.frame
        paint_ball(canvas, "bone", place, np.array(radii) * body.frame, tilt)
        paint_ball(canvas, "marrow", place, np.array(radii) * body.frame - 2.6, tilt)
    paint_rod(canvas, "gut_wall", (0, -30, -20), (0, -38, -110), 17)
    paint_rod(canvas, "gut_gas", (0, -30, -20), (0, -38, -110), 12)


def _paint_vessels(canvas: Canvas, body: Body, side: float) -> None:
    line = iliac_artery(side, body)
    beside = line + np.array([-side * 8.0, -8.0, 0.0]) * (body.artery + body.vein) / 11.0
    for corners, tissue, radius in ((beside, "vein", body.vein), (line, "artery", body.artery)):
        for start, end in pairwise(corners):
            paint_rod(canvas, tissue, start, end, radius)
