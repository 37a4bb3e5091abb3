"""The transplanted kidney: a bean with cortex, medullary pyramids between columns, sinus fat and a collecting system.

Its own frame, in mm: u from back to front, v towards the hilum, w along the long axis towards the upper pole. The bean
is an ellipsoid whose long axis is bent round the hilum (a shear, which keeps volume); pyramids are cones whose bases
lie under the cortex and whose tips reach the sinus, each answered by a calyx that runs to the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.shapes import Points, capsule, ellipsoid

OUTSIDE, CORTEX, MEDULLA, COLLECTING, SINUS_FAT, CAPSULE_FAT = range(6)
"""Parts of the kidney; the first four are also the labels of the masks."""

PROPORTIONS = (0.48, 0.56, 1.0)
"""Half axes along u, v, w relative to the longest: a kidney of 11 cm is about 6.2 cm wide and 5.3 cm thick."""

BASE = 0.56
"""Radius of a pyramid's base, as a share of the half thickness."""

COLUMN = 2.5
"""Thickness in mm of the cortical columns between neighbouring pyramids."""

BEND = 0.16
"""How far the poles lean to the hilum, as a share of the long half axis."""


@dataclass(frozen=True)
class Allograft:
    """Shape of a kidney.

    Args:
        volume: of the bean in mL, sinus included.
        cortex: cortical thickness in mm.
        sinus: size of the sinus relative to a young donor's (sinus fat grows with age).
        pelvis: size of the collecting system relative to the usual.
        pyramids: for each pyramid its direction (degrees round the long axis from the convex border, place along the
            long half axis from -1 to 1) and its width relative to the usual.
        fat: thickness of the fat round the kidney in mm.
    """

    volume: float
    cortex: float
    sinus: float
    pelvis: float
    pyramids: tuple[tuple[float, float, float], ...]
    fat: float = 4.0

    @cached_property
    def radii(self) -> tuple[float, float, float]:
        """Half axes along u, v, w in mm."""
        longest = (self.volume * 1000.0 / (4.0 / 3.0 * np.pi * np.prod(PROPORTIONS))) ** (1 / 3)
        thick, wide, long = (float(share * longest) for share in PROPORTIONS)
        return thick, wide, long

    @property
    def reach(self) -> float:
        """Radius in mm of a ball round the kidney's centre that holds all of it."""
        return self.radii[2] * (1.0 + BEND) + self.fat

    def parts(self, points: Points) -> NDArray[np.uint8]:
        """Return for each point (u, v, w in mm) the part of the kidney that it lies in."""
        u, v, w = self._unbent(points)
        inside = -ellipsoid((u, v, w), (0, 0, 0), self.radii)
        found = np.zeros(inside.shape, dtype=np.uint8)
        found[inside > -self.fat] = CAPSULE_FAT
        found[inside > 0] = CORTEX
        near = np.flatnonzero(inside.ravel() > -self.fat)
        kept: Points = (u.ravel()[near], v.ravel()[near], w.ravel()[near])
        depth = inside.ravel()[near]
        part = found.ravel()[near]
        part[(depth > self.cortex) & (self._pyramids(kept) < 0)] = MEDULLA
        # The sinus opens at the hilum: there it breaks through cortex and capsule.
        part[(self._sinus(kept) < 0) & (depth > -0.5 * self.fat)] = SINUS_FAT
        part[(self._collecting(kept) < 0) & (depth > -self.fat)] = COLLECTING
        found.ravel()[near] = part
        return found

    def _unbent(self, points: Points) -> Points:
        u, v, w = np.broadcast_arrays(*points)
        # Poles lean to +v; the shift keeps the centre of mass at v = 0 (mean of w^2 in an ellipsoid is a fifth of c^2).
        bend = np.float32(BEND / self.radii[2])
        return u, v - bend * (w * w - np.float32(self.radii[2] ** 2 / 5)), w

    def _sinus(self, points: Points) -> NDArray[Any]:
        a, b, c = self.radii
        scale = self.sinus ** (1 / 3)
        return ellipsoid(points, (0, 0.62 * b, 0), (0.40 * a * scale, 0.66 * b * scale, 0.50 * c * scale))

    def _pyramids(self, points: Points) -> NDArray[Any]:
        nearest = np.full(points[0].shape, np.inf, dtype=np.float32)
        second = nearest.copy()
        for (tip, base), width in zip(self._axes, (p[2] for p in self.pyramids), strict=True):
            wide = width * self.radii[0] * BASE
            distance = capsule(points, tip, base, 0.36 * wide, wide)
            np.minimum(second, np.maximum(nearest, distance), out=second)
            np.minimum(nearest, distance, out=nearest)
        # Cortical columns run where two pyramids would touch.
        return np.where(second - nearest > COLUMN, nearest, np.float32(1.0))

    @cached_property
    def _axes(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Tip and base of each pyramid."""
        _, b, c = self.radii
        inner = np.array(self.radii) - self.cortex
        axes = []
        for angle, place, _ in self.pyramids:
            turn = np.deg2rad(angle)
            root = np.array([0.0, 0.38 * b, 0.55 * c * place])
            lean = 0.25 * place + max(abs(place) - 0.6, 0.0) * 3.5 * np.sign(place)
            way = np.array([np.sin(turn), -np.cos(turn), lean])
            way /= np.linalg.norm(way)
            # Where the ray from the root meets the inner border of the cortex.
            p, q = root / inner, way / inner
            length = (-(p @ q) + np.sqrt((p @ q) ** 2 - (q @ q) * (p @ p - 1))) / (q @ q)
            axes.append((root + 0.34 * length * way, root + 0.86 * length * way))
        return axes

    def _collecting(self, points: Points) -> NDArray[Any]:
        a, b, c = self.radii
        scale = self.pelvis ** (1 / 3)
        hub = np.array([0.0, 0.62 * b, 0.0])
        distance = ellipsoid(points, hub, (0.27 * a * scale, 0.42 * b * scale, 0.26 * c * scale))
        for tip, _ in self._axes:
            np.minimum(distance, capsule(points, hub, tip, 3.2 * scale, 3.0 * scale), out=distance)
        return distance

    @cached_property
    def volumes(self) -> dict[int, float]:
        """mL of each part, counted on a grid of 1.5 mm."""
        step, reach = 1.5, self.reach
        line = np.arange(-reach, reach, step, dtype=np.float32)
        found = self.parts((line[:, None, None], line[None, :, None], line[None, None, :]))
        counts = np.bincount(found.ravel(), minlength=6) * step**3 / 1000.0
        return {part: float(count) for part, count in enumerate(counts)}
