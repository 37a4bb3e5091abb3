"""How an exam is scanned: machine, position of the patient, field of view, timing. All of it nuisance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.coil import Receiver, draw_receiver
from medcl.imaging.simulate.grid import Grid, scan_grid
from medcl.imaging.simulate.shapes import rotation
from medcl.imaging.simulate.spoiled_gradient_echo import Protocol

SEQUENCES = ("water", "arterial", "tubular")
"""Water image before contrast agent, then two phases after it."""


@dataclass(frozen=True)
class Scanner:
    """A machine: its site, sequence, how it stores its volumes, and the range of shading that it leaves."""

    site: str
    protocol: Protocol
    axes: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    tilt: float
    shading: tuple[float, float]


SCANNERS = {
    "A": Scanner("north", Protocol(1.5, 4.2, 1.6, 20.0), "LPS", (128, 128, 48), (2.6, 2.6, 3.6), 0.0, (0.5, 1.0)),
    "B": Scanner("north", Protocol(3.0, 3.8, 1.3, 15.0), "LAS", (128, 128, 52), (2.5, 2.5, 3.3), 8.0, (0.2, 0.7)),
    "C": Scanner("south", Protocol(1.5, 4.6, 2.0, 24.0), "LSP", (128, 80, 48), (2.5, 2.2, 3.4), 5.0, (0.6, 1.1)),
    "D": Scanner("south", Protocol(3.0, 3.4, 1.2, 13.0), "SPL", (46, 120, 120), (3.8, 2.7, 2.7), 0.0, (0.3, 0.8)),
}
"""C scans coronal planes, B and C oblique ones; D's files have their axes in the order head, back, left."""


@dataclass(frozen=True)
class Session:
    """One exam on a scanner.

    Args:
        scanner: its name.
        pose: 4x4 from the patient's frame to the scanner, mm.
        grid: the voxels, in the scanner.
        receiver: coil and gain, kept through the exam.
        seconds: time of each sequence's k-space centre after the injection; None before it.
        shifts: how far the patient has moved by each sequence, mm.
        inflow_pulses: pulses that arterial blood has seen on its way through the slab.
    """

    scanner: str
    pose: NDArray[Any]
    grid: Grid
    receiver: Receiver
    seconds: dict[str, float | None]
    shifts: dict[str, NDArray[Any]]
    inflow_pulses: float

    @property
    def protocol(self) -> Protocol:
        """The scanner's sequence."""
        return SCANNERS[self.scanner].protocol

    def placed(self, sequence: str) -> NDArray[Any]:
        """4x4 from the patient's frame to the scanner while a sequence runs."""
        moved = np.eye(4)
        moved[:3, 3] = self.shifts[sequence]
        return np.asarray(moved @ self.pose)


def draw_session(
    site: str, target: NDArray[Any], arrival: float, random: np.random.Generator, coarsen: float = 1.0
) -> Session:
    """Draw how one exam is scanned.

    Args:
        site: the patient's hospital.
        target: the graft's centre in the patient's frame, mm, which the operator aims at.
        arrival: seconds from injection to the bolus' arrival.
        random: the exam's generator.
        coarsen: voxels this much larger and fewer.
    """
    names = [name for name, scanner in SCANNERS.items() if scanner.site == site]
    name = str(random.choice(names))
    scanner = SCANNERS[name]
    pose = np.eye(4)
    pose[:3, :3] = rotation(*random.normal(0, 3.5, 3))
    pose[:3, 3] = random.normal(0, 12, 3)
    # The field of view follows the graft along the body and across thin slabs, else the body's middle.
    aim = (
        np.array([0.15 * target[0], 8.0, target[2]])
        if scanner.axes != "LSP"
        else np.array([0.25 * target[0], *target[1:]])
    )
    centre = (pose @ np.append(aim, 1.0))[:3] + random.normal(0, 5, 3)
    tilt = rotation(float(random.normal(0, 1)) * scanner.tilt, 0, float(random.normal(0, 0.3)) * scanner.tilt)
    zoom = np.array(scanner.spacing) * random.uniform(0.95, 1.08)
    spacing = tuple(float(round(size, 3)) * coarsen for size in zoom)
    shape = tuple(round(count / coarsen) for count in scanner.shape)
    times: dict[str, float | None] = {
        "water": None,
        "arterial": arrival + float(random.uniform(16, 27)),
        "tubular": arrival + float(random.normal(130, 11)),
    }
    return Session(
        scanner=name,
        pose=pose,
        grid=scan_grid(scanner.axes, shape, spacing, centre, tilt),  # type: ignore[arg-type]
        receiver=draw_receiver(scanner.shading, random),
        seconds=times,
        shifts={sequence: random.normal(0, 1.0, 3) * (sequence != "water") for sequence in SEQUENCES},
        inflow_pulses=float(np.exp(random.uniform(np.log(2.5), np.log(60)))),
    )
