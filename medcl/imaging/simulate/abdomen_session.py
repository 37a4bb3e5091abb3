"""How an abdomen is scanned by CT or MR: machine, position, field of view, slices, breath. All of it nuisance.

Spacings are coarser than those of clinical CT (0.6 to 1 mm in the plane), so that studies stay small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.grid import Grid, scan_grid
from medcl.imaging.simulate.shapes import rotation
from medcl.imaging.simulate.slab import slab
from medcl.imaging.simulate.turbo_spin_echo import SpinEchoProtocol


@dataclass(frozen=True)
class AbdomenScanner:
    """A machine.

    Args:
        site: hospital.
        axes: how its files store their axes.
        matrix: pixels along both axes of the plane.
        slices: (thickness, gap) in mm.
        tilt: standard deviation of the planes' tilt in degrees.
        protocol: of MR; None for CT.
        shading: range of the coil's shading that is left, as for `draw_receiver`; (0, 0) for CT.
    """

    site: str
    axes: str
    matrix: int
    slices: tuple[float, float]
    tilt: float = 0.0
    protocol: SpinEchoProtocol | None = None
    shading: tuple[float, float] = (0.0, 0.0)


ABDOMEN_SCANNERS = {
    "C1": AbdomenScanner("north", "LPS", 192, (5.0, 0.0)),
    "C2": AbdomenScanner("south", "LAS", 192, (5.0, 0.0)),
    "C3": AbdomenScanner("south", "LPI", 184, (6.0, 0.0)),
    "M1": AbdomenScanner("north", "LPS", 192, (6.0, 1.2), 3.0, SpinEchoProtocol(1.5, 2600.0, 85.0), (0.6, 1.2)),
    "M2": AbdomenScanner("south", "LAS", 192, (5.0, 1.0), 2.0, SpinEchoProtocol(3.0, 3200.0, 75.0), (0.7, 1.3)),
    "M3": AbdomenScanner("north", "LPI", 176, (6.5, 0.7), 0.0, SpinEchoProtocol(1.5, 2000.0, 95.0), (0.7, 1.3)),
}
"""CT (C) and MR (M). Chosen settings of the usual order."""

BREATH_MM = (0.3, 0.7, 1.5)
"""Standard deviation along x, y, z of where triggering finds the body in each slice of MR."""


@dataclass(frozen=True)
class AbdomenSession:
    """One patient on a scanner.

    Args:
        scanner: its name.
        pose: 4x4 from the patient's frame to the scanner, mm.
        grid: the voxels as stored, in the scanner; k counts slices.
        thickness: of a slice in mm, without the gap.
        breaths: (slices, 3) how far the body lies from its mean place in each slice, mm; 0 in CT, one breath-hold.
    """

    scanner: str
    pose: NDArray[Any]
    grid: Grid
    thickness: float
    breaths: NDArray[Any]

    def slab(self, k: int, parts: int) -> Grid:
        """The points of slice `k` in the patient's frame: its plane `parts` times within its thickness."""
        return slab(self.grid, self.thickness, self.pose, self.breaths[k], k, parts)


def draw_abdomen_session(
    modality: str,
    site: str,
    size: tuple[float, float],
    extent: tuple[float, float],
    random: np.random.Generator,
    coarsen: float = 1.0,
) -> AbdomenSession:
    """Draw how a patient is scanned; the four organs are in the field of view.

    Args:
        modality: "ct" or "mr".
        site: the patient's hospital.
        size: width and depth of the body in mm.
        extent: lowest and highest z of the organs in the patient's frame, mm.
        random: the exam's generator.
        coarsen: pixels this much larger and fewer.
    """
    kind = [name for name in ABDOMEN_SCANNERS if name.startswith("C" if modality == "ct" else "M")]
    name = str(random.choice([name for name in kind if ABDOMEN_SCANNERS[name].site == site]))
    scanner = ABDOMEN_SCANNERS[name]
    pose = np.eye(4)
    pose[:3, :3] = rotation(*random.normal(0, [2.0, 2.0, 3.5]))
    pose[:3, 3] = random.normal(0, [8, 8, 25])
    tilt = rotation(*(scanner.tilt * random.normal(0, [1.0, 1.0, 0.3])))
    view = max(size[0] * random.uniform(1.04, 1.18), size[1] * 1.2)
    count = round(scanner.matrix / coarsen)
    pixel = round(float(view / count), 3)
    thickness, gap = scanner.slices
    # Oblique planes need more slices to hold the same organs.
    below, above = random.uniform(8, 24), random.uniform(6, 18)
    lean = 80.0 * float(np.abs((tilt.T @ pose[:3, :3])[2, :2]).sum())
    low, high = extent[0] - below - lean, extent[1] + above + lean
    slices = int(np.ceil((high - low) / (thickness + gap)))
    aim = np.array([*random.normal(0, [7, 6]), 0.5 * (low + high)])
    grid = scan_grid(
        scanner.axes,
        (count, count, slices),
        (pixel, pixel, thickness + gap),
        (pose @ np.append(aim, 1.0))[:3],
        tilt,
    )
    breaths = random.normal(0, BREATH_MM, (slices, 3)) * (modality == "mr")
    return AbdomenSession(name, pose, grid, thickness, breaths)
