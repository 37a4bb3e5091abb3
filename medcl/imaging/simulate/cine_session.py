"""How a heart is scanned: machine, prescription of the slices, field of view, breath-holds. All of it nuisance.

Slices of one exam are acquired in several breath-holds, so that each lies where that breath put the heart. The two
phases come from the same acquisition and share slices and breath-holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medcl.imaging.simulate.balanced_steady_state import CineProtocol
from medcl.imaging.simulate.coil import Receiver, draw_receiver
from medcl.imaging.simulate.grid import Grid
from medcl.imaging.simulate.shapes import rotation
from medcl.imaging.simulate.slab import slab


@dataclass(frozen=True)
class CineScanner:
    """A machine: site, sequence, slice thickness and gap in mm, how files store rows, columns and slices, shading.

    `stored` is the direction (1 or -1) of columns, rows and slices, against to the left ventricle's side, down, and
    to the apex.
    """

    site: str
    protocol: CineProtocol
    slices: tuple[tuple[float, float], ...]
    stored: tuple[int, int, int]
    shading: tuple[float, float]


CINE_SCANNERS = {
    "E1": CineScanner("east", CineProtocol(1.5, 3.0, 60.0), ((8.0, 2.0), (8.0, 0.0)), (1, 1, 1), (0.4, 0.9)),
    "E2": CineScanner("east", CineProtocol(3.0, 2.9, 45.0), ((8.0, 2.0), (6.0, 4.0)), (1, 1, -1), (0.5, 1.1)),
    "W1": CineScanner("west", CineProtocol(1.5, 3.4, 65.0), ((8.0, 0.0), (9.0, 0.0)), (1, -1, 1), (0.3, 0.8)),
}
"""Chosen settings of the usual order."""


@dataclass(frozen=True)
class CineSession:
    """One patient on a scanner.

    Args:
        scanner: its name.
        pose: 4x4 from the patient's frame to the scanner, mm.
        grid: the voxels as stored, in the scanner; k counts slices.
        thickness: of a slice in mm, without the gap.
        breaths: (slices, 3) how far each slice's breath-hold moved the body, mm in the patient's frame.
        receiver: coil, gain and noise.
        field: off resonance in the patient's frame: Hz, Hz/mm along x, y and z, and Hz that are added at 100 mm from
            the heart.
        ghost: strength of the ghosts of moving blood, and their shift as a share of the field of view.
        phase_axis: axis of the array along which ghosts appear.
    """

    scanner: str
    pose: NDArray[Any]
    grid: Grid
    thickness: float
    breaths: NDArray[Any]
    receiver: Receiver
    field: tuple[float, float, float, float, float]
    ghost: tuple[float, float]
    phase_axis: int

    @property
    def protocol(self) -> CineProtocol:
        """The scanner's sequence."""
        return CINE_SCANNERS[self.scanner].protocol

    def slab(self, k: int, parts: int) -> Grid:
        """The points of slice `k` in the patient's frame: its plane `parts` times within its thickness."""
        return slab(self.grid, self.thickness, self.pose, self.breaths[k], k, parts)


def draw_cine_session(
    site: str, heart: NDArray[Any], length: float, random: np.random.Generator, coarsen: float = 1.0
) -> CineSession:
    """Draw how a heart is scanned.

    Args:
        site: the patient's hospital.
        heart: 4x4 from the heart's frame (septum, anterior, base) to the patient's.
        length: of the left ventricle with its wall in mm.
        random: the exam's generator.
        coarsen: pixels this much larger and fewer.
    """
    name = str(random.choice([name for name, scanner in CINE_SCANNERS.items() if scanner.site == site]))
    scanner = CINE_SCANNERS[name]
    pose = np.eye(4)
    pose[:3, :3] = rotation(*random.normal(0, 3, 3))
    pose[:3, 3] = random.normal(0, 12, 3)
    thickness, gap = scanner.slices[int(random.integers(len(scanner.slices)))]
    above, below = random.uniform(2, 12), random.uniform(-3, 8)
    count = int(np.clip(np.ceil((length + above + below) / (thickness + gap)), 6, 16))
    # Columns lead from the right ventricle to the left, rows down, slices to the apex; the operator's hand shakes.
    planned = np.column_stack([[-1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]])
    turned = heart[:3, :3] @ rotation(*random.normal(0, [3.5, 3.5, 8.0])) @ planned @ np.diag(scanner.stored)
    pixel = float(np.clip(random.normal(1.56, 0.12), 1.37, 1.82)) * coarsen
    shape = (int(random.choice([208, 224, 240, 256])), int(random.choice([176, 192, 208, 224])), count)
    shape = (round(shape[0] / coarsen), round(shape[1] / coarsen), count)
    spacing = np.array([pixel, pixel, thickness + gap])
    # The stack begins `above` mm over the base; its middle in the plane is some way from the ventricle's.
    aim = np.array([*random.normal([-4.0, -6.0], [15.0, 15.0]), above - 0.5 * (thickness + gap) * (count - 1)])
    centre = (pose @ heart @ np.append(aim, 1.0))[:3]
    affine = np.eye(4)
    affine[:3, :3] = pose[:3, :3] @ turned * spacing
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    drift = np.cumsum(random.normal(0, 0.25, count))[:, None] * [0.1, 0.4, 1.0]
    strength = scanner.protocol.field / 1.5
    return CineSession(
        scanner=name,
        pose=pose,
        grid=Grid(shape, affine),
        thickness=thickness,
        breaths=drift + random.normal(0, [0.4, 0.8, 1.6], (count, 3)),
        receiver=_receiver(scanner, random),
        field=(
            float(random.normal(0, 12) * strength),
            float(random.normal(0, 0.12 * strength)),
            float(random.normal(0, 0.12 * strength)),
            float(random.normal(0, 0.12 * strength)),
            float(random.uniform(8, 38) * strength),
        ),
        ghost=(float(random.uniform(0.0, 0.05)), float(random.uniform(0.2, 0.5))),
        phase_axis=int(random.integers(2)),
    )


def _receiver(scanner: CineScanner, random: np.random.Generator) -> Receiver:
    drawn = draw_receiver(scanner.shading, random)
    # A cardiac coil lies closer to the chest than the abdomen's.
    near = drawn.elements * [1.0, 0.8, 1.0] + [20.0, -10.0, 0.0]
    return replace(
        drawn,
        elements=near,
        gain=float(2600 * np.exp(random.normal(0, 0.35))),
        noise=float(np.exp(random.uniform(np.log(0.003), np.log(0.009)))),
    )
