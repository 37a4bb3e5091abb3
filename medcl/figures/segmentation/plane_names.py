"""What the three planes of a volume are called: by the patient's axes, or by the stack where those would mislead."""

from __future__ import annotations

import numpy as np

from medcl.figures.planes import PLANES
from medcl.imaging.geometry import Affine, spacing_of
from medcl.imaging.resample import SAME_SPACING

MOST_TILT_DEGREES = 30.0
"""Between a voxel axis and the patient's axis, up to which the plane across it has the name of the patient's plane."""

SLICE, ACROSS = "slice", "across the slices, plane"


def plane_names(affine: Affine) -> tuple[str, str, str]:
    """Names of the planes across the axes z, y, x of a canonical (RAS+) volume.

    The slices of a stack, which lie along the axis of the coarsest spacing, are axial where that runs from feet to
    head; else, as in short-axis stacks of the heart, they are just slices.
    """
    spacing = np.array(spacing_of(affine))
    cosines = np.abs(np.diag(affine)[2::-1]) / spacing
    straight = np.degrees(np.arccos(np.clip(cosines, 0.0, 1.0))) <= MOST_TILT_DEGREES
    coarse = np.flatnonzero(spacing >= spacing.max() * (1 - SAME_SPACING))
    stack = int(coarse[0]) if len(coarse) == 1 else None
    z, y, x = (_name(axis, stack, bool(straight[axis])) for axis in range(3))
    return z, y, x


def _name(axis: int, stack: int | None, straight: bool) -> str:
    if axis == stack and not (axis == 0 and straight):
        return SLICE
    if straight:
        return PLANES[axis]
    return f"oblique {PLANES[axis]}" if stack is None else ACROSS
