"""From what a heart is to do to its shape at end-diastole and end-systole.

The volumes asked for fix the sizes. At end-systole the cavity is smaller and shorter (the base comes down, the apex
stays), and the wall thickens by as much as keeps its volume, as muscle cannot be compressed; an infarcted part keeps
its radius and thickness. Harmonics and places are drawn once for a patient and kept through the beat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from medcl.imaging.simulate.cardiac_function import CardiacPatient
from medcl.imaging.simulate.ventricles import Region, Ventricles, count_volumes

STEP = 4.0
"""mm of the grid on which volumes are counted while sizes are sought; the truth is counted on a finer one."""


THICK = 17.5
"""mm that the wall of a hypertrophic heart has at least where it is thickest, its usual unevenness aside."""


@dataclass(frozen=True)
class Heartbeat:
    """A heart at end-diastole and end-systole."""

    diastole: Ventricles
    systole: Ventricles

    @property
    def left_ejection(self) -> float:
        """Ejection fraction of the left ventricle in %."""
        return 100 * (1 - self.systole.volumes["left"] / self.diastole.volumes["left"])

    @property
    def right_ejection(self) -> float:
        """Ejection fraction of the right ventricle in %."""
        return 100 * (1 - self.systole.volumes["right"] / self.diastole.volumes["right"])

    def at(self, exam: str) -> Ventricles:
        """The shape in exam ED or ES."""
        return {"ED": self.diastole, "ES": self.systole}[exam]


def draw_heartbeat(patient: CardiacPatient, random: np.random.Generator) -> Heartbeat:
    """Draw a heart that does what is asked of it."""
    aspect = random.normal(3.0, 0.18) if patient.group == "dilated" else random.normal(3.4, 0.2)
    diastole = Ventricles(
        radius=25.0,
        length=float(25.0 * np.clip(aspect, 2.6, 3.9)),
        wall=patient.wall,
        tilt=(float(random.normal(-0.12, 0.06)), float(random.normal(-0.05, 0.07))),
        oval=(float(random.uniform(0.0, 0.06)), float(random.uniform(0, np.pi))),
        lobes=(float(random.uniform(0.0, 0.03)), float(random.uniform(0, np.pi))),
        regions=_regions(patient, random),
        right_length=float(np.clip(random.normal(0.86, 0.05), 0.72, 0.98)),
        right_lean=float(random.normal(0, 4)),
        outflow=float(random.uniform(10.5, 13.5)),
    )
    # Volume goes with the cube of the size: two rounds meet it, as only the grid stands against that.
    for _ in range(2):
        scale = (patient.left_volume / count_volumes(diastole, STEP, right=False)["left"]) ** (1 / 3)
        diastole = replace(diastole, radius=diastole.radius * scale, length=diastole.length * scale)
    diastole = replace(diastole, right_height=float(1.10 * diastole.outer * np.exp(random.normal(0, 0.05))))
    diastole = _with_right(diastole, patient.right_volume)
    return Heartbeat(diastole, _contract(diastole, patient, float(np.clip(random.normal(0.20, 0.025), 0.14, 0.26))))


def _regions(patient: CardiacPatient, random: np.random.Generator) -> tuple[Region, ...]:
    """The parts of the wall that a patient's disease changes, and one small uneven part that everybody has."""
    usual = Region(
        float(random.uniform(0, 360)), float(random.uniform(-0.6, 0)), 60, 0.7, float(random.normal(0, 0.08))
    )
    if patient.group == "hypertrophic":
        angle = float(random.normal(15, 35))
        more = float(max(random.uniform(0.55, 1.05), THICK / patient.wall - 1))
        return usual, Region(angle, float(random.uniform(-0.5, 0.0)), float(random.uniform(50, 90)), 0.75, more)
    if patient.group == "infarction":
        angle = float(random.choice([random.normal(50, 20), random.normal(270, 18), random.normal(185, 18)]))
        less = float(random.uniform(-0.55, -0.38))
        level = float(random.uniform(-0.7, -0.25))
        return usual, Region(angle, level, float(random.uniform(45, 70)), float(random.uniform(0.4, 0.6)), less, 0.06)
    if patient.group == "abnormal right ventricle":
        # A loaded right ventricle flattens the septum.
        return usual, Region(float(random.normal(0, 8)), -0.1, 38, 0.8, 0.0, float(random.uniform(-0.24, -0.10)))
    return (usual,)


def _with_right(shape: Ventricles, volume: float) -> Ventricles:
    """Return the shape with a right ventricle of `volume` mL, wider and higher."""

    def scaled(scale: float) -> Ventricles:
        return replace(shape, right_width=shape.right_width * scale, right_height=shape.right_height * scale**0.7)

    return scaled(_sought(lambda scale: count_volumes(scaled(scale), STEP)["right"] - volume, 0.35, 2.2))


def _contract(diastole: Ventricles, patient: CardiacPatient, shortening: float) -> Ventricles:
    """Return the shape at end-systole; `shortening` is how much shorter a normal cavity is, as a share."""
    shorter = shortening * min(patient.left_ejection / 62.0, 1.15)
    length = diastole.length * (1 - shorter)
    still = patient.group == "infarction"

    def narrowed(scale: float, thicker: float) -> Ventricles:
        regions = list(diastole.regions)
        if still:
            scar = regions[-1]
            regions[-1] = replace(
                scar,
                thickness=(1 + scar.thickness) / thicker - 1,
                radius=(1 + scar.radius) / scale - 1,
            )
        return replace(
            diastole,
            radius=diastole.radius * scale,
            length=length,
            base=length - diastole.length,
            wall=diastole.wall * thicker,
            regions=tuple(regions),
        )

    left = patient.left_volume * (1 - patient.left_ejection / 100)
    scale = _sought(lambda s: count_volumes(narrowed(s, 1.0), STEP, right=False)["left"] - left, 0.3, 1.1)
    mass = count_volumes(diastole, STEP, right=False)["wall"]
    thicker = _sought(lambda t: count_volumes(narrowed(scale, t), STEP, right=False)["wall"] - mass, 0.6, 3.0)
    systole = narrowed(scale, thicker)
    systole = replace(systole, right_height=diastole.right_height * 0.93, outflow=diastole.outflow * 0.88)
    return _with_right(systole, patient.right_volume * (1 - patient.right_ejection / 100))


def _sought(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function of a scale is 0; the nearer end when it is nowhere 0."""
    if function(low) >= 0:
        return low
    if function(high) <= 0:
        return high
    return float(brentq(function, low, high, xtol=2e-3))
