"""Reads the series that lies in a folder, for those who name a DICOM folder themselves."""

from __future__ import annotations

from pathlib import Path

from medcl.imaging.dicom.assemble import Assembled, assemble
from medcl.imaging.dicom.build import SeriesVolume, build_phase, build_series
from medcl.imaging.dicom.grouping import Group, group
from medcl.imaging.dicom.header import Header
from medcl.imaging.dicom.join import join
from medcl.imaging.dicom.pixels import PixelFault
from medcl.imaging.dicom.read_header import read_header
from medcl.imaging.dicom.rules import PHASE_SERIES, pattern_of
from medcl.imaging.dicom.walk import walk
from medcl.imaging.intensity import is_constant
from medcl.imaging.volume import Volume
from medcl.study.errors import BadInput

_SHOWN = 5


def read_series(folder: Path) -> SeriesVolume:
    """The one series of a folder, all its phases, in canonical RAS+; phases may be series of their own.

    Raises:
        BadInput: the folder holds no image, images of several other series, or one that cannot be used; everything
            that is wrong is told.
    """
    made, clean = _only_group(Path(folder))
    try:
        return build_series(made, clean)
    except PixelFault as fault:
        raise BadInput(f"{fault.path}: {fault.reason}.") from None


def read_dicom(folder: Path) -> Volume:
    """The one 3D image of a folder as float32 (Z, Y, X) in canonical RAS+.

    Raises:
        BadInput: as `read_series`; or it has several phases, or is constant.
    """
    made, clean = _only_group(Path(folder))
    if len(clean.phases) > 1:
        raise BadInput(
            f"{folder}: holds {len(clean.phases)} phases, expected one 3D image: `medcl preprocess --from DIR` writes "
            "each phase as an image of its own."
        )
    try:
        volume = build_phase(made.head, clean.phases[0])
    except PixelFault as fault:
        raise BadInput(f"{fault.path}: {fault.reason}.") from None
    if is_constant(volume.voxels):
        value = volume.voxels[0, 0, 0]
        raise BadInput(f"{folder}: the image is constant, every voxel is {value:g}: nothing can be learned from it.")
    return volume


def _only_group(folder: Path) -> tuple[Group, Assembled]:
    found = [read_header(each) if isinstance(each, Path) else each for each in walk(folder)]
    groups, _ = group(each for each in found if isinstance(each, Header))
    if not groups:
        reasons = [f"{each.path.name}: {each.reason}" for each in found if not isinstance(each, Header)]
        listed = "; ".join(reasons[:_SHOWN]) + ("; ..." if len(reasons) > _SHOWN else "")
        raise BadInput(f"{folder}: holds no CT or MR image that can be used ({listed or 'it is empty'}).")
    if len(groups) > 1:
        cleaned = [assemble(each) for each in groups]
        joined = join(groups, cleaned, [pattern_of(words) for words in PHASE_SERIES])
        if len(joined) == 1 and len(joined[0].places) == len(groups):
            notes = tuple(dict.fromkeys(note for each in cleaned for note in each.notes))
            return groups[joined[0].places[0]], Assembled(joined[0].phases, joined[0].seconds, notes)
        raise BadInput(
            f"{folder}: holds {len(groups)} images (series, echoes, b-values or stacks), expected one: give the folder "
            "of one series, or let `medcl preprocess --from DIR` write a cohort.csv with one row each."
        )
    clean = assemble(groups[0])
    if clean.problems:
        raise BadInput([f"{folder}: {problem}." for problem in clean.problems])
    return groups[0], clean
