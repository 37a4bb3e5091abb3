"""The two ventricles in one phase of the heartbeat, in the heart's own frame.

In mm: a from the left ventricle's axis to the septum and the right ventricle, b to the anterior wall, w along the long
axis from apex to base; w = 0 is the plane of the mitral valve at end-diastole. The left cavity is an ellipsoid whose
radius changes round the axis, cut by a tilted plane at the base; the wall lies round it and changes in thickness by
region. The right ventricle is an ellipsoid at the septum less what the left takes of it, with an outflow tract.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.shapes import Points, capsule

WIDEST = 0.22
"""How far below the base the left ventricle is widest, as a share of its length."""

APEX_WALL = 0.6
"""Thickness of the wall at the apex relative to the wall elsewhere."""

RIGHT_WALL = 3.0
"""Thickness in mm of the right ventricle's free wall."""


@dataclass(frozen=True)
class Region:
    """A part of the left wall that differs.

    Args:
        angle: its middle in degrees round the axis: 0 septum, 90 anterior, 180 lateral, 270 inferior.
        level: its middle along the axis: -1 apex, 0 the widest level.
        width: half width in degrees.
        span: half width along the axis.
        thickness: change of the wall's thickness in the middle, as a share.
        radius: change of the cavity's radius in the middle, as a share.
    """

    angle: float
    level: float
    width: float
    span: float
    thickness: float
    radius: float = 0.0

    def weight(self, theta: NDArray[Any], level: NDArray[Any]) -> NDArray[Any]:
        """Return 1 in the middle, falling to 0 outside."""
        turn = (theta - np.float32(np.deg2rad(self.angle)) + np.float32(np.pi)) % np.float32(2 * np.pi)
        apart = (turn - np.float32(np.pi)) / np.float32(np.deg2rad(self.width))
        return np.asarray(np.exp(-(apart**2) - ((level - self.level) / np.float32(self.span)) ** 2))


@dataclass(frozen=True)
class Ventricles:
    """Shape of both ventricles.

    Args:
        radius: of the left cavity in mm where it is widest.
        length: of the left cavity in mm from base to apex.
        wall: thickness in mm of the left wall.
        base: w of the plane of the valves in mm.
        tilt: slope of that plane along a and b.
        oval: amplitude and angle in radians of the cavity's second harmonic.
        lobes: the same of the third.
        regions: parts of the left wall that differ.
        right_width: half axis of the right ventricle along a in mm.
        right_height: half axis along b in mm.
        right_length: length of the right ventricle relative to the left.
        right_lean: its middle along b in mm.
        outflow: radius of the outflow tract in mm.
    """

    radius: float
    length: float
    wall: float
    base: float = 0.0
    tilt: tuple[float, float] = (-0.12, -0.05)
    oval: tuple[float, float] = (0.0, 0.0)
    lobes: tuple[float, float] = (0.0, 0.0)
    regions: tuple[Region, ...] = ()
    right_width: float = 38.0
    right_height: float = 40.0
    right_length: float = 0.85
    right_lean: float = 0.0
    outflow: float = 12.0

    @property
    def middle(self) -> float:
        """w of the widest level in mm."""
        return self.base - WIDEST * self.length

    @property
    def half(self) -> float:
        """Half axis of the left cavity along w in mm."""
        return (1 - WIDEST) * self.length

    @cached_property
    def outer(self) -> float:
        """Radius of the left ventricle with its wall towards the septum in mm, where it is widest."""
        theta, level = np.zeros(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
        return float((self.inner_radius(theta, level) + self.thickness(theta, level))[0])

    def inner_radius(self, theta: NDArray[Any], level: NDArray[Any]) -> NDArray[Any]:
        """Return the cavity's radius in mm, as at the widest level, by angle and by the level of the regions."""
        shape: NDArray[Any] = 1 + np.float32(self.oval[0]) * np.cos(2 * (theta - np.float32(self.oval[1])))
        shape = shape + np.float32(self.lobes[0]) * np.cos(3 * (theta - np.float32(self.lobes[1])))
        for region in self.regions:
            if region.radius:
                shape = shape * (1 + np.float32(region.radius) * region.weight(theta, level))
        return np.asarray(np.float32(self.radius) * shape)

    def thickness(self, theta: NDArray[Any], level: NDArray[Any]) -> NDArray[Any]:
        """Return the wall's thickness in mm, as at the widest level."""
        change = np.ones(np.broadcast_shapes(theta.shape, level.shape), dtype=np.float32)
        for region in self.regions:
            change = change * (1 + np.float32(region.thickness) * region.weight(theta, level))
        return np.float32(self.wall) * change

    def valves(self, points: Points) -> NDArray[Any]:
        """Return the distance above the plane of the mitral valve, negative in the left ventricle."""
        a, b, w = points
        slope = np.float32(np.sqrt(1 + self.tilt[0] ** 2 + self.tilt[1] ** 2))
        return (w - np.float32(self.base) - np.float32(self.tilt[0]) * a - np.float32(self.tilt[1]) * b) / slope

    def left(self, points: Points) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the distances from the left cavity and from the outside of its wall, neither cut at the base."""
        a, b, w = points
        theta, across = np.arctan2(b, a), np.hypot(a, b)
        along = w - np.float32(self.middle)
        level = along / np.float32(self.half)
        inner = self.inner_radius(theta, level)
        thick = self.thickness(theta, level)
        cavity = _from_ellipsoid(across, along, inner, np.float32(self.half))
        outside = _from_ellipsoid(across, along, inner + thick, np.float32(self.half) + np.float32(APEX_WALL) * thick)
        return cavity, outside

    def right(self, points: Points) -> NDArray[Any]:
        """Return the distance from the right cavity, neither cut at the base nor by the left ventricle."""
        a, b, w = points
        along = (w - np.float32(self.middle)) / np.float32(1.1 * self.half)
        # The right ventricle follows the left one's surface as that narrows to the apex.
        narrow = np.sqrt(np.clip(1 - np.minimum(along, 0) ** 2, 0.06, 1))
        x = (a - np.float32(0.80 * self.outer) * narrow) / np.float32(self.right_width)
        # Highest at the septum, pointed at the free wall.
        high = np.float32(self.right_height) * (1 - np.float32(0.28) * np.clip(x, -1, 1))
        y = (b - np.float32(self.right_lean)) / high
        half = np.float32(0.82 * self.right_length * self.length)
        z = (w - np.float32(self.base - 0.18 * self.right_length * self.length)) / half
        level = np.sqrt(x * x + y * y + z * z)
        slope = np.sqrt((x / np.float32(self.right_width)) ** 2 + (y / high) ** 2 + (z / half) ** 2)
        body = (level - 1) * level / np.maximum(slope, 1e-6)
        start, end = self.outflow_line
        return np.asarray(np.minimum(body, capsule(points, start, end, self.outflow)))

    @property
    def outflow_line(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Start and end in mm of the tract that leads from the right ventricle to the lung's artery."""
        start = np.array([0.85 * self.outer, 0.55 * self.outer, self.base - 24.0])
        return start, np.array([0.35 * self.outer, 1.05 * self.outer + 6.0, self.base + 26.0])

    @cached_property
    def volumes(self) -> dict[str, float]:
        """mL of the left cavity, its wall and the right cavity, papillary muscles counted as cavity."""
        return count_volumes(self, 2.0)


def count_volumes(shape: Ventricles, step: float, right: bool = True) -> dict[str, float]:
    """Return mL of "left", "wall" and, if asked for, "right", counted on a grid of `step` mm with soft edges."""
    side = shape.outer * 1.35 + 6
    far = 0.8 * shape.outer + shape.right_width + 3 if right else side
    high = max(side, 1.28 * shape.right_height + abs(shape.right_lean), shape.outer * 1.05 + 22) if right else side
    lines = [
        np.arange(low, top, step, dtype=np.float32)
        for low, top in ((-side, far), (-high, high), (shape.base - 1.1 * shape.length - 10, shape.base + 14))
    ]
    points: Points = (lines[0][:, None, None], lines[1][None, :, None], lines[2][None, None, :])
    left, wall, beside = cover(shape, points, step, right)
    unit = step**3 / 1000.0
    found = {"left": float(left.sum()) * unit, "wall": float(wall.sum()) * unit}
    return found | ({"right": float(beside.sum()) * unit} if right else {})


def cover(
    shape: Ventricles, points: Points, edge: float, right: bool = True
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the shares of each point's surroundings, `edge` mm wide, in left cavity, left wall and right cavity."""
    cavity, outside = shape.left(points)
    above = shape.valves(points)
    left = covered(np.maximum(cavity, above), edge)
    both = np.maximum(covered(np.maximum(outside, above), edge), left)
    if not right:
        return left, both - left, np.zeros_like(left)
    free = np.minimum(covered(np.maximum(shape.right(points), above), edge), covered(-outside, edge))
    return left, both - left, np.minimum(free, 1 - both)


def covered(distance: NDArray[Any], edge: float) -> NDArray[Any]:
    """Return the share inside a surface at a distance, 0.5 on it."""
    return np.asarray(np.clip(np.float32(0.5) - distance / np.float32(edge), 0, 1))


def _from_ellipsoid(
    across: NDArray[Any], along: NDArray[Any], radius: NDArray[Any], half: NDArray[Any] | np.float32
) -> NDArray[Any]:
    u, v = across / radius, along / half
    level = np.sqrt(u * u + v * v)
    slope = np.sqrt((u / radius) ** 2 + (v / half) ** 2)
    return np.asarray((level - 1) * level / np.maximum(slope, 1e-6))
