"""Builds a clean phase into a volume: highdicom places it, medcl turns it to RAS+.

highdicom judges the stack once more by itself; what it does not accept never becomes a volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom
import numpy as np
from highdicom.spatial import get_volume_positions
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from medcl.imaging.canonical import canonical
from medcl.imaging.dicom.assemble import Assembled
from medcl.imaging.dicom.grouping import Group, Member
from medcl.imaging.dicom.header import Header
from medcl.imaging.dicom.pixels import PixelFault, read_slices
from medcl.imaging.dicom.stack import SPACING_TOLERANCE
from medcl.imaging.volume import Volume

LARGEST_VOLUME_VOXELS = 1 << 30
"""A phase may have so many voxels (4 GiB as float32) and no more."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class SeriesVolume:
    """A volume, or several phases of one, in canonical RAS+.

    Attributes:
        voxels: (T, Z, Y, X) float32.
        affine: (4, 4) from (x, y, z) voxel index to RAS+ mm.
        seconds: (T,) acquisition time of each phase after the first; empty when the files do not tell.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    seconds: tuple[float, ...]


def build_series(group: Group, clean: Assembled) -> SeriesVolume:
    """All phases of a group in one array (T, Z, Y, X).

    Raises:
        PixelFault: a file's pixels cannot be had.
    """
    volumes = [build_phase(group.head, phase) for phase in clean.phases]
    return SeriesVolume(np.stack([each.voxels for each in volumes]), volumes[0].affine, clean.seconds)


def build_phase(head: Header, phase: Sequence[Member]) -> Volume:
    """One phase as float32 (Z, Y, X) in canonical RAS+, each slice with its own rescale slope and intercept.

    Args:
        head: header of one of its files; size and frame of reference are those of all.
        phase: its slices in order, as `assemble` made them.

    Raises:
        PixelFault: a file's pixels cannot be had, or the volume would be larger than LARGEST_VOLUME_VOXELS.
    """
    first, rows, columns = phase[0].slice, head.rows, head.columns
    if len(phase) * rows * columns > LARGEST_VOLUME_VOXELS:
        raise PixelFault(phase[0].path, f"declares {len(phase)} slices of {rows} x {columns} voxels: too large")
    spacing, order = get_volume_positions(
        [member.slice.position for member in phase],
        first.orientation,
        rtol=2 * SPACING_TOLERANCE,
        spacing_hint=first.thickness if len(phase) == 1 else None,
    )
    if spacing is None or order is None:
        raise PixelFault(phase[0].path, "its slices make no regular stack")
    voxels = np.empty((len(phase), rows, columns), np.float32)
    for place, member, stored in zip(order, phase, read_slices(phase), strict=True):
        voxels[place] = stored * np.float64(member.slice.slope) + member.slice.intercept
    placed = highdicom.Volume.from_attributes(
        array=voxels,
        image_position=phase[order.index(0)].slice.position,
        image_orientation=first.orientation,
        pixel_spacing=first.spacing,
        spacing_between_slices=spacing,
        coordinate_system="PATIENT",
        frame_of_reference_uid=head.frame_of_reference or generate_uid(),
    )
    affine = _LPS_TO_RAS @ placed.affine[:, [2, 1, 0, 3]]  # highdicom's index is (slice, row, column), ours (x, y, z)
    turned = canonical(placed.array, affine)
    return Volume(np.ascontiguousarray(turned.voxels), turned.affine)
