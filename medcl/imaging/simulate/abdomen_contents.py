"""What lies round the four organs in the belly: stomach, pancreas, bowel, gallbladder, vessels. Chosen by eye.

Their signals are like those of the organs, so that brightness does not tell which is which.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.abdomen_kidney import AbdomenKidney
from medcl.imaging.simulate.abdomen_trunk import BOTTOM, TOP, Trunk
from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.shapes import Points, capsule, rotation
from medcl.imaging.simulate.solids import paint_ball, paint_rod

FILLINGS = ("gut_fluid", "gut_food", "gut_stool", "gut_contrast", "gut_gas")

BOWEL_WALL_MM, STOMACH_WALL_MM = 2.5, 4.0

Loop = tuple[NDArray[Any], NDArray[Any], float, str]
"""Start, end, radius and filling of a piece of bowel."""


@dataclass(frozen=True)
class Contents:
    """What is in the belly, mm.

    Args:
        stomach: (3, 3) corners of the stomach's line from fundus to antrum.
        thick: radii there.
        filling: of the stomach.
        gas: height y above which the stomach holds gas: lying on the back, it gathers in front.
        pancreas: (3, 3) corners of the pancreas' line from head to tail.
        gallbladder: middle, half axes and directions.
        aorta: radius.
        cava: half axes of the inferior vena cava.
        loops: bowel; later ones lie before earlier ones.
    """

    stomach: NDArray[Any]
    thick: tuple[float, float, float]
    filling: str
    gas: float
    pancreas: NDArray[Any]
    gallbladder: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    aorta: float
    cava: tuple[float, float]
    loops: tuple[Loop, ...]


def draw_belly(trunk: Trunk, random: np.random.Generator) -> Contents:
    """Draw the contents of one day."""
    left, front, dome = trunk.width, trunk.front, trunk.domes[1]
    full = float(random.uniform(0.8, 1.2))
    stomach = np.array(
        [[-0.56 * left, -12.0, dome - 37], [-0.38 * left, 0.42 * front, dome - 85], [0.12 * left, 0.5 * front, -2.0]]
    )
    stomach = stomach + random.normal(0, [[7, 7, 6], [9, 7, 10], [9, 6, 9]])
    pancreas = np.array([[32.0, 10.0, -8.0], [2.0, 24.0, 8.0], [-0.48 * left, -6.0, 36.0]]) + random.normal(
        0, 5, (3, 3)
    )
    gall = np.array([46.0, 0.5 * front, -4.0]) + random.normal(0, [6, 5, 8])
    lean = rotation(float(random.normal(25, 8)), 0, float(random.normal(0, 12)))
    return Contents(
        stomach=stomach,
        thick=(38.0 * full, 30.0 * full, 17.0),
        filling=str(random.choice(FILLINGS[:4], p=[0.25, 0.35, 0.15, 0.25])),
        gas=float(random.uniform(0.35, 0.75)) * front,
        pancreas=pancreas,
        gallbladder=(gall, np.array([13.0, 14.0, 27.0]) * np.exp(random.normal(0, 0.2)), lean),
        aorta=float(random.uniform(8.5, 11.5)),
        cava=(float(random.uniform(10, 14)), float(random.uniform(6, 10))),
        loops=tuple(_bowel(trunk, random)),
    )


def _bowel(trunk: Trunk, random: np.random.Generator) -> list[Loop]:
    wide, front = trunk.width, trunk.front
    chances = random.dirichlet([2.0, 2.0, 1.5, 1.2, 0.6])
    loops: list[Loop] = []
    for _ in range(int(random.integers(40, 64))):
        height = float(random.uniform(-115, 4))
        across = float(random.uniform(-0.68, 0.58))
        spot = np.array([across * wide, random.uniform(-0.15, 0.82 - 0.3 * abs(across)) * front, height])
        half = rotation(*random.uniform(-90, 90, 3)) @ np.array([random.uniform(6, 26), 0, 0])
        filling = str(random.choice(FILLINGS, p=chances))
        loops.append((spot - half, spot + half, float(random.uniform(9, 17)), filling))
    colon = [
        [(0.68 * wide, -0.25 * front, -160), (0.70 * wide, 0.15 * front, -58)],
        [(0.66 * wide, 0.3 * front, -52), (0, 0.74 * front, -42), (-0.66 * wide, 0.4 * front, 12)],
        [(-0.7 * wide, 0.1 * front, 18), (-0.74 * wide, -0.25 * front, -40), (-0.72 * wide, -0.15 * front, -160)],
    ]
    for line in colon:
        corners = [np.array(corner) + random.normal(0, 6, 3) for corner in line]
        for start, end in pairwise(corners):
            # Pieces of their own filling.
            for share in np.arange(3) / 3:
                piece = start + (end - start) * share, start + (end - start) * (share + 1 / 3)
                filling = str(random.choice(["gut_stool", "gut_gas", "gut_fluid"], p=[0.6, 0.3, 0.1]))
                loops.append((*piece, float(random.uniform(14, 21)), filling))
    return loops


def paint_belly(canvas: Canvas, contents: Contents, trunk: Trunk) -> None:
    """Paint what lies behind or beside the four organs."""
    for start, end, radius, filling in contents.loops:
        paint_rod(canvas, "gut_wall", start, end, radius)
        paint_rod(canvas, filling, start, end, radius - BOWEL_WALL_MM)
    head, neck, tail = contents.pancreas
    paint_rod(canvas, "gut_wall", head + [12, 2, 6], head + [8, -6, -40], 12.0)
    paint_rod(canvas, contents.filling, head + [12, 2, 6], head + [8, -6, -40], 9.5)
    _paint_stomach(canvas, contents, trunk)
    paint_rod(canvas, "pancreas", head, neck, 12.0, 9.0)
    paint_rod(canvas, "pancreas", neck, tail, 9.0, 9.5)


def paint_gallbladder(canvas: Canvas, contents: Contents) -> None:
    """Paint the gallbladder, which lies in the liver's lower side."""
    middle, radii, axes = contents.gallbladder
    paint_ball(canvas, "gut_wall", middle, radii + 1.5, axes)
    paint_ball(canvas, "bile", middle, radii, axes)


def paint_vessels(canvas: Canvas, contents: Contents, trunk: Trunk, kidneys: tuple[AbdomenKidney, ...]) -> None:
    """Paint the great vessels and those of the kidneys, the spleen and the bowel."""
    before = trunk.backbone + trunk.vertebra
    aorta = np.array([-9.0, before + contents.aorta + 1, 0.0])
    cava = np.array([21.0, before + contents.cava[1] + 1, 0.0])
    for kidney in kidneys:
        hilum = kidney.hilum
        paint_rod(canvas, "vein", hilum, cava + [0, 2, hilum[2] + 6], 4.5)
        paint_rod(canvas, "artery", hilum + [0, -3, -3], aorta + [0, 0, hilum[2] + 4], 2.8)
    _, neck, tail = contents.pancreas
    paint_rod(canvas, "portal", neck + [10, -9, 2], tail + [-12, -10, 8], 5.5, 4.0)
    paint_rod(canvas, "portal", neck + [10, -9, 2], np.array([33.0, -4.0, trunk.domes[0] - 72.0]), 6.5)
    paint_rod(canvas, "portal", neck + [10, -9, 2], neck + [4, 8, -120], 5.0)
    paint_rod(canvas, "artery", neck + [-4, -10, 0], neck + [-8, 6, -120], 3.5)
    for side in (-1.0, 1.0):  # the crura of the diaphragm
        paint_rod(canvas, "muscle", aorta + [side * 15, 0, 95], aorta + [9 + side * 12, -8, -45], 8.0, 4.0)
    paint_ball(canvas, "vein", cava, (*contents.cava, 2 * TOP))
    paint_rod(canvas, "artery", aorta + [0, 0, TOP], aorta + [0, 0, BOTTOM], contents.aorta)


def _paint_stomach(canvas: Canvas, contents: Contents, trunk: Trunk) -> None:
    first, second, last = contents.stomach
    one, two, three = contents.thick
    reach = max(contents.thick)
    low, high = contents.stomach.min(axis=0) - reach, contents.stomach.max(axis=0) + reach

    def shell(points: Points) -> NDArray[Any]:
        upper, lower = capsule(points, first, second, one, two), capsule(points, second, last, two, three)
        limits = np.maximum(trunk.cavity(points), trunk.above(points)) + 1
        return np.asarray(np.maximum(np.minimum(upper, lower), limits))

    def inner(points: Points) -> NDArray[Any]:
        return np.asarray(shell(points) + np.float32(STOMACH_WALL_MM))

    def lifted(points: Points) -> NDArray[Any]:
        return np.asarray(np.maximum(inner(points), np.float32(contents.gas) - points[1]))

    canvas.solid("gut_wall", low, high, shell)
    canvas.solid(contents.filling, low, high, inner)
    canvas.solid("gut_gas", low, high, lifted)
