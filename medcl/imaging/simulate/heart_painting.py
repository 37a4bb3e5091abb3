"""Paints the heart: ventricles with papillary muscles and trabeculae, atria, great vessels and the fat around them.

Everything is in the heart's frame (see `ventricles`). Papillary muscles and trabeculae are muscle in the image and
cavity in the masks, as in the ACDC set. Sizes and places of what is no ventricle are chosen by eye.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.canvas import Canvas
from medcl.imaging.simulate.grid import Slices
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.shapes import Points, capsule
from medcl.imaging.simulate.solids import paint_ball, paint_rod
from medcl.imaging.simulate.ventricles import RIGHT_WALL, Ventricles, cover, covered

RIDGES_MM = 15.0
"""Length of the waves of which the pattern of trabeculae is made, for a cavity of `RIDGES_RADIUS`."""

RIDGES_RADIUS = 25.0


@dataclass(frozen=True)
class HeartLook:
    """What lies in and around a patient's ventricles.

    Args:
        ridges: pattern of the trabeculae.
        left_ridges: thickness in mm of the left ventricle's trabeculae; they are thickest at the apex.
        right_ridges: thickness of the right ventricle's.
        papillary: angles in degrees round the axis of the two papillary muscles.
        thick: thickness of these relative to the wall.
        fat: thickness in mm of the fat around the heart where it is thickest, and the angle of that in radians.
        atria: size of the left and the right atrium relative to the usual.
        aorta: radius of the ascending aorta in mm.
        head: direction of the patient's head in the heart's frame.
    """

    ridges: Mottle
    left_ridges: float
    right_ridges: float
    papillary: tuple[float, float]
    thick: float
    fat: tuple[float, float]
    atria: tuple[float, float]
    aorta: float
    head: NDArray[Any]


def draw_look(fatness: float, pose: NDArray[Any], random: np.random.Generator) -> HeartLook:
    """Draw a heart's looks for a body-mass index in kg/m2; `pose` leads from the heart's frame to the patient's."""
    return HeartLook(
        ridges=Mottle.draw(random, RIDGES_MM, 10),
        left_ridges=float(random.uniform(2.0, 5.5)),
        right_ridges=float(random.uniform(3.0, 7.0)),
        papillary=(float(random.normal(132, 9)), float(random.normal(232, 9))),
        thick=float(random.uniform(0.36, 0.56)),
        fat=(float(random.uniform(3, 7) + 0.45 * max(fatness - 20, 0)), float(random.normal(0.3, 0.5))),
        atria=(float(np.exp(random.normal(0, 0.13))), float(np.exp(random.normal(0, 0.13)))),
        aorta=float(random.uniform(12.5, 17.5)),
        head=np.asarray(pose[:3, :3].T @ [0.0, 0.0, 1.0]),
    )


def paint_heart(canvas: Canvas, shape: Ventricles, look: HeartLook) -> tuple[Slices, dict[str, NDArray[Any]]]:
    """Paint a heart; return where it lies and the shares of "left" and "right" cavity and "wall" of each voxel."""
    reach = 0.8 * shape.outer + shape.right_width + look.fat[0] + 4
    side = 1.25 * shape.outer + look.fat[0] + 6
    high = max(side, 1.28 * shape.right_height + abs(shape.right_lean), 1.05 * shape.outer + 22) + 4
    where = canvas.grid.box((-side, -high, shape.base - 1.1 * shape.length - 12), (reach, high, shape.base + 30))
    empty = any(part.start >= part.stop for part in where)
    points = canvas.grid.points(where)
    if not empty:
        _paint_fat(canvas, where, points, shape, look)
    _paint_atria(canvas, shape, look)
    size = tuple(max(part.stop - part.start, 0) for part in where)
    if empty:
        return where, {name: np.zeros(size, dtype=np.float32) for name in ("left", "wall", "right")}
    edge = float(canvas.edge)
    left, wall, right = cover(shape, points, edge)
    above = shape.valves(points)
    canvas.cover("myocardium", where, covered(np.maximum(shape.right(points) - RIGHT_WALL, above), edge))
    canvas.cover("right_blood", where, right)
    canvas.cover("myocardium", where, right * _muscle_in_right(points, shape, look, edge))
    canvas.cover("myocardium", where, left + wall)
    canvas.cover("left_blood", where, left)
    canvas.cover("myocardium", where, left * _muscle_in_left(points, shape, look, edge))
    return where, {"left": left, "wall": wall, "right": right}


def _paint_fat(canvas: Canvas, where: Slices, points: Points, shape: Ventricles, look: HeartLook) -> None:
    a, b, w = points
    most, angle = look.fat
    round_ = 0.5 + 0.5 * np.cos(np.arctan2(b, a - np.float32(shape.outer)) - np.float32(angle))
    # Fat gathers in the groove between atria and ventricles and is thin towards the lung.
    groove = np.exp(-(((w - np.float32(shape.base)) / np.float32(16)) ** 2))
    thickness = np.float32(most) * (np.float32(0.12) + np.float32(0.7) * round_**2 + np.float32(0.5) * groove)
    _, outside = shape.left(points)
    distance = np.minimum(outside, shape.right(points) - RIGHT_WALL) - thickness
    canvas.cover("fat", where, covered(np.maximum(distance, w - np.float32(shape.base + 22)), float(canvas.edge)))


def _paint_atria(canvas: Canvas, shape: Ventricles, look: HeartLook) -> None:
    base, outer = shape.base, shape.outer
    left, right = look.atria
    # Atria fill as the base comes down.
    lengthened = 0.5 * -base
    middle = np.array([-4.0, -6.0, base + 25 * left + 0.3 * lengthened])
    half = np.array([29.0, 27.0, 25.0 + lengthened]) * left
    for side in (-1, 1):
        for up in (-1, 1):
            vein = middle + [side * 10, up * 12, 8]
            paint_rod(canvas, "left_blood", vein, vein + [side * 34 + 10, up * 16, 22], 6.0)
    paint_ball(canvas, "myocardium", middle, half + 2)
    paint_ball(canvas, "left_blood", middle, half)
    beside = np.array([0.8 * outer + 36, -14.0, base + 20 * right])
    size = np.array([25.0, 31.0, 27.0 + lengthened]) * right
    paint_ball(canvas, "myocardium", beside, size + 2)
    paint_ball(canvas, "right_blood", beside, size)
    paint_rod(canvas, "right_blood", beside + look.head * 20, beside + look.head * 130, 9.5)
    root = np.array([0.42 * outer, 0.38 * outer, base + 3.0])
    bend = root + np.array([12.0, 14.0, 20.0])
    arch = bend + look.head * 55
    for tissue, more in (("myocardium", 1.8), ("left_blood", 0.0)):
        paint_rod(canvas, tissue, root, bend, look.aorta + more - 1.5)
        paint_rod(canvas, tissue, bend, arch, look.aorta + more)
    _, end = shape.outflow_line
    trunk = end + look.head * 34 + np.array([-14.0, 0.0, 16.0])
    paint_rod(canvas, "myocardium", end - [0, 0, 20], trunk, shape.outflow + 1.5)
    paint_rod(canvas, "right_blood", end - [0, 0, 20], trunk, shape.outflow)


def _ridges(points: Points, shape: Ventricles, look: HeartLook) -> NDArray[Any]:
    """The pattern of trabeculae, which run along the axis and move with the wall; about a standard normal."""
    a, b, w = points
    scale = np.float32(RIDGES_RADIUS / shape.radius)
    pattern = look.ridges((a * scale, b * scale, (w - np.float32(shape.base)) * np.float32(0.3)))
    return np.asarray(pattern / np.float32(np.sqrt(0.5 * len(look.ridges.phases))))


def _muscle_in_left(points: Points, shape: Ventricles, look: HeartLook, edge: float) -> NDArray[Any]:
    """The share of the left cavity that papillary muscles and trabeculae take."""
    cavity, _ = shape.left(points)
    level = (points[2] - np.float32(shape.middle)) / np.float32(shape.half)
    apical = np.clip(0.25 - level, 0, 1)
    ridges = np.float32(look.left_ridges) * (np.float32(0.25) + apical) * np.maximum(_ridges(points, shape, look), 0)
    share = covered(-cavity - ridges, edge)
    for degrees in look.papillary:
        way = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), 0.0])
        foot = 0.62 * shape.radius * way + [0, 0, shape.middle - 0.62 * shape.half]
        head = 0.50 * shape.radius * way + [0, 0, shape.middle - 0.02 * shape.half]
        radius = look.thick * shape.wall
        share = np.maximum(share, covered(capsule(points, foot, head, 1.15 * radius, 0.8 * radius), edge))
    return share


def _muscle_in_right(points: Points, shape: Ventricles, look: HeartLook, edge: float) -> NDArray[Any]:
    """The share of the right cavity that trabeculae and the moderator band take."""
    level = (points[2] - np.float32(shape.middle)) / np.float32(shape.half)
    apical = np.clip(0.4 - level, 0.2, 1)
    ridges = np.float32(look.right_ridges) * apical * np.maximum(_ridges(points, shape, look), 0)
    share = covered(-shape.right(points) - ridges, edge)
    septum = np.array([shape.outer, -0.1 * shape.outer, shape.middle - 0.45 * shape.half])
    free = np.array([0.8 * shape.outer + 0.8 * shape.right_width, -0.3 * shape.outer, shape.middle - 0.5 * shape.half])
    return np.asarray(np.maximum(share, covered(capsule(points, septum, free, 2.4), edge)))
