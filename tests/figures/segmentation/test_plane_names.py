"""Planes have the patient's names where those are true, and those of the stack where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from medcl.figures.segmentation.plane_names import ACROSS, SLICE, plane_names


def turned(degrees: float, axes: tuple[int, int], spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    """An affine of voxels of x, y, z mm, turned in the plane of two axes."""
    affine = np.eye(4)
    first, second = axes
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    affine[[first, first, second, second], [first, second, first, second]] = cosine, -sine, sine, cosine
    return affine @ np.diag([*spacing, 1.0])


@pytest.mark.parametrize(
    ("affine", "names"),
    [
        (turned(0, (1, 2), (1, 1, 1)), ("axial", "coronal", "sagittal")),
        (turned(0, (1, 2), (1, 1, 5)), ("axial", "coronal", "sagittal")),
        (turned(25, (1, 2), (1, 1, 5)), ("axial", "coronal", "sagittal")),
        (turned(40, (1, 2), (1, 1, 5)), (SLICE, ACROSS, "sagittal")),
        (turned(0, (1, 2), (8, 1, 1)), ("axial", "coronal", SLICE)),  # a stack from left to right
        (turned(27, (0, 1), (8, 1, 1)), ("axial", "coronal", SLICE)),
        (turned(40, (0, 2), (8, 1, 1)), (ACROSS, "coronal", SLICE)),
        (turned(40, (1, 2), (1, 1, 1)), ("oblique axial", "oblique coronal", "sagittal")),  # no stack
    ],
)
def test_the_names(affine: NDArray[np.float64], names: tuple[str, str, str]) -> None:
    assert plane_names(affine) == names
