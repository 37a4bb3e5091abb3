"""A kidney: a bean of cortex and medulla round a sinus of fat with the renal pelvis in it. Sizes are chosen by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.abdomen_trunk import Trunk
from medcl.imaging.simulate.mottle import Mottle
from medcl.imaging.simulate.organ_canvas import OrganCanvas
from medcl.imaging.simulate.shapes import Points, ellipsoid, rotation
from medcl.imaging.simulate.solids import paint_ball

SURFACE_MM = 1.0
"""How uneven the surface is: standard deviation of its displacement."""


@dataclass(frozen=True)
class AbdomenKidney:
    """A kidney in the patient's frame, mm.

    Args:
        side: 1 for the right kidney, -1 for the left one.
        centre: of the bean.
        radii: half axes to the side, to the front, to the head.
        axes: their directions, as columns; the first leads away from the hilum.
        sinus: half axes of the sinus relative to those of the bean.
        cortex: thickness of the cortex.
        fat: thickness of the fat round it.
        bumps: displacement of the surface.
    """

    side: float
    centre: NDArray[Any]
    radii: NDArray[Any]
    axes: NDArray[Any]
    sinus: NDArray[Any]
    cortex: float
    fat: float
    bumps: Mottle

    @property
    def reach(self) -> NDArray[Any]:
        """How far the kidney reaches from its centre along x, y and z."""
        return np.asarray(np.sqrt((self.axes**2) @ self.radii**2) + 3 * SURFACE_MM)

    @property
    def hilum(self) -> NDArray[Any]:
        """Where its vessels enter."""
        return np.asarray(self.centre - self.axes[:, 0] * self.radii[0])

    def outside(self, points: Points) -> NDArray[Any]:
        """Return the distance from the surface of the bean as if it had no sinus."""
        bumps = np.float32(SURFACE_MM / np.sqrt(2.0)) * self.bumps(points)
        return np.asarray(ellipsoid(points, self.centre, tuple(self.radii), self.axes) + bumps)

    def hollow(self, points: Points) -> NDArray[Any]:
        """Return the distance from the sinus."""
        middle = self.centre - self.axes[:, 0] * self.radii[0] * 0.72
        return ellipsoid(points, middle, tuple(self.radii * self.sinus), self.axes)


def draw_abdomen_kidney(side: float, trunk: Trunk, size: float, random: np.random.Generator) -> AbdomenKidney:
    """Draw a kidney that lies beside the psoas.

    Args:
        side: 1 right, -1 left; the left one lies higher, as the liver keeps the right one down.
        trunk: where it lies.
        size: of both kidneys, relative to the usual one in one direction.
        random: the patient's own generator.
    """
    radii = np.array([26.0, 29.0, 54.0]) * size * np.exp(random.normal(0, 0.06, 3))
    beside = trunk.vertebra + 1.5 * trunk.psoas + 0.82 * radii[0] + random.normal(2, 4)
    # The upper pole leans to the spine and back; the hilum looks to the front and the middle.
    lean = rotation(float(random.normal(-14, 5)), side * float(random.normal(-11, 5)), 0)
    turn = rotation(0, 0, side * float(random.normal(-32, 11)))
    centre = np.array(
        [
            side * beside,
            trunk.backbone + 12 + random.normal(0, 5),
            (-6.0 if side > 0 else 8.0) + random.normal(0, 10),
        ]
    )
    return AbdomenKidney(
        side=side,
        centre=centre,
        radii=radii,
        axes=lean @ turn @ np.diag([side, 1.0, 1.0]),
        sinus=np.array([0.78, 0.45, 0.50]) * np.exp(random.normal(0, 0.10, 3)),
        cortex=float(random.uniform(6.0, 8.5)) * size,
        fat=float(random.uniform(0.3, 1.0)) * trunk.inside,
        bumps=Mottle.draw(random, length=40.0),
    )


def paint_abdomen_kidney(canvas: OrganCanvas, kidney: AbdomenKidney, label: int) -> None:
    """Paint a kidney within its fat; the sinus and what it holds are none of the organ."""
    low, high = kidney.centre - kidney.reach, kidney.centre + kidney.reach
    where = canvas.grid.box(low - kidney.fat - 1, high + kidney.fat + 1)
    if any(part.start >= part.stop for part in where):
        return
    points = canvas.points(where)
    outside, hollow = kidney.outside(points), kidney.hollow(points)
    canvas.cover("fat", where, canvas.covered(outside - np.float32(kidney.fat)))
    with canvas.belonging_to(label):
        canvas.cover("cortex", where, canvas.covered(outside))
        canvas.cover("medulla", where, canvas.covered(_medulla(kidney, points, outside)))
    canvas.cover("fat", where, canvas.covered(np.maximum(hollow, outside)))
    middle = kidney.centre - kidney.axes[:, 0] * kidney.radii[0] * 0.62
    paint_ball(canvas, "urine", middle, kidney.radii * kidney.sinus * [0.42, 0.36, 0.5], kidney.axes)


def _medulla(kidney: AbdomenKidney, points: Points, outside: NDArray[Any]) -> NDArray[Any]:
    """Pyramids under the cortex: a shell that columns of cortex part."""
    x, y, z = (p - np.float32(c) for p, c in zip(points, kidney.centre, strict=True))
    axes = kidney.axes.astype(np.float32)
    across, along = axes[0, 1] * x + axes[1, 1] * y + axes[2, 1] * z, axes[0, 2] * x + axes[1, 2] * y + axes[2, 2] * z
    step = np.float32(np.pi / 11.0)  # pyramids of about 11 mm
    columns = np.cos(step * across) * np.cos(step * along)
    return np.asarray(np.maximum(outside + np.float32(kidney.cortex), np.float32(2.5) * columns - 1))
