"""Finds the images of a folder tree: DICOM series and NIfTI files, and everything that is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medcl.study.errors import BadInput
from medcl.workflows.pool import run_jobs
from medcl.workflows.progress import progress

if TYPE_CHECKING:
    from medcl.imaging.dicom.assemble import Assembled
    from medcl.imaging.dicom.grouping import Group, Member
    from medcl.imaging.dicom.header import Header
    from medcl.imaging.dicom.join import Joined

NIFTI_SUFFIXES = (".nii", ".nii.gz")
JOINED = "a phase whose other phases are series of their own"
_FILES_PER_JOB = 64
_GROUPS_PER_JOB = 4
_MASK_WORDS = ("mask", "seg", "segmentation", "label", "labels", "roi")

Part = TypeVar("Part")


@dataclass(frozen=True)
class Found:
    """One 3D image that could go into the cohort.

    Attributes:
        source: file (NIfTI) or folder (DICOM) that it comes from.
        folders: names of the folders between the tree's root and the image.
        patient: id of the header; "" when there is none, and for NIfTI.
        study: UID of the examination; "" for NIfTI.
        date: of the study, ISO, "" when unknown.
        description: of the series, or the file's name without suffix.
        modality, site, scanner: as cohort.csv has them, "" when unknown.
        component: magnitude, water, ...
        suffix: what tells it from others of its series: b-value, echo, stack.
        moment: when its first slice was acquired, in seconds after midnight, None when unknown.
        order: of series in a study that have no such time.
        phase, phases: 1, 2, ... and how many; 0 and 1 when it is no phase.
        seconds: acquired so many seconds after the first phase, None when unknown.
        shared: the description that phases have in common which are series of their own; "" where they are none.
        slices: how many.
        notes: what was corrected.
        head, members: of a DICOM image, to build it.
        mask: the label map beside a NIfTI image.
    """

    source: Path
    folders: tuple[str, ...]
    patient: str = ""
    study: str = ""
    date: str = ""
    description: str = ""
    modality: str = ""
    site: str = ""
    scanner: str = ""
    component: str = "magnitude"
    suffix: str = ""
    moment: float | None = None
    order: str = ""
    phase: int = 0
    phases: int = 1
    seconds: float | None = None
    slices: int = 0
    notes: tuple[str, ...] = ()
    head: Header | None = None
    members: tuple[Member, ...] = ()
    mask: Path | None = None
    shared: str = ""


@dataclass
class Scan:
    """What a tree holds: images, and (path, reason) of all that gives none; `refused` are whole series."""

    images: list[Found] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    refused: list[tuple[Found, str]] = field(default_factory=list)
    files: int = 0


def scan(root: Path, workers: int | None, phase_series: Sequence[re.Pattern[str]] = ()) -> Scan:
    """Look at every file of a tree.

    Args:
        root: the folder.
        workers: processes; one for each core unless told.
        phase_series: words of the descriptions whose series may be phases of one another.

    Raises:
        BadInput: the folder does not exist.
    """
    from medcl.imaging.dicom.convert import read_headers
    from medcl.imaging.dicom.grouping import group
    from medcl.imaging.dicom.header import Header, LeftOut
    from medcl.imaging.dicom.walk import walk

    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise BadInput(f"--from {root}: {what}, expected a folder of DICOM or NIfTI files.")
    result = Scan()
    paths: list[Path] = []
    for each in walk(root):
        if isinstance(each, LeftOut):
            result.left_out.append((each.path, each.reason))
        else:
            paths.append(each)
    result.files = len(paths)
    nifti = [path for path in paths if path.name.casefold().endswith(NIFTI_SUFFIXES)]
    result.images += nifti_images(root, nifti)
    known = set(nifti)
    headers: list[Header] = []
    jobs = _parts([path for path in paths if path not in known], _FILES_PER_JOB)
    with progress("Reading headers", sum(map(len, jobs)), unit="files") as step:
        for job, found in run_jobs(read_headers, jobs, workers):
            headers += [each for each in found if isinstance(each, Header)]
            result.left_out += [(each.path, each.reason) for each in found if isinstance(each, LeftOut)]
            step(len(job))
    headers.sort(key=lambda header: str(header.path))  # workers end in any order
    groups, frames_left_out = group(headers)
    result.left_out += [(each.path, each.reason) for each in frames_left_out]
    _assemble(root, groups, workers, result, phase_series)
    return result


def _assemble(
    root: Path, groups: Sequence[Group], workers: int | None, result: Scan, phase_series: Sequence[re.Pattern[str]]
) -> None:
    from medcl.imaging.dicom.convert import assemble_groups
    from medcl.imaging.dicom.join import join

    of: dict[int, Assembled] = {}
    jobs = _parts(groups, _GROUPS_PER_JOB)
    with progress("Ordering series", len(groups), unit="series") as step:
        for job, made in run_jobs(assemble_groups, jobs, workers):
            of |= {id(group): clean for group, clean in zip(job, made, strict=True)}
            step(len(job))
    cleaned = [of[id(group)] for group in groups]
    joined = {
        place: (together, index)
        for together in join(groups, cleaned, phase_series)
        for index, place in enumerate(together.places)
    }
    for place, (group, clean) in enumerate(zip(groups, cleaned, strict=True)):
        if clean.problems:
            result.refused.append((_found(root, group, clean, 0), "; ".join(clean.problems)))
        elif place in joined:
            result.images.append(_as_phase(_found(root, group, clean, 0), *joined[place]))
        else:
            result.images += [_found(root, group, clean, index) for index in range(len(clean.phases))]


def _as_phase(found: Found, joined: Joined, index: int) -> Found:
    """A series that is a phase of several."""
    return replace(
        found,
        phase=index + 1,
        phases=len(joined.phases),
        seconds=joined.seconds[index],
        shared=joined.words,
        notes=(*found.notes, JOINED),
    )


def _found(root: Path, group: Group, clean: Assembled, index: int) -> Found:
    head = group.head
    members = clean.phases[index] if clean.phases else group.members
    several = len(clean.phases) > 1
    parts = [] if group.b_value is None else [f"b{group.b_value:g}"]
    parts += [f"e{group.echo}"] * bool(group.echo) + [f"s{group.stack}"] * bool(group.stack)
    return Found(
        source=group.folder,
        folders=_folders(root, group.folder),
        patient=head.patient,
        study=head.study,
        date=head.date,
        description=head.description,
        modality=head.modality,
        site=head.site,
        scanner=head.scanner,
        component=group.component,
        suffix="-".join(parts),
        moment=_moment(members),
        order=f"{head.number:09d} {head.series}",
        phase=index + 1 if several else 0,
        phases=max(1, len(clean.phases)),
        seconds=clean.seconds[index] if clean.seconds else None,
        slices=len(members),
        notes=clean.notes,
        head=head,
        members=tuple(members),
    )


def _moment(members: Sequence[Member]) -> float | None:
    """When the first slice was acquired, in seconds after midnight."""
    times = [member.slice.times.get("AcquisitionTime") for member in members]
    known = [time for time in times if time is not None]
    return min(known) if known else None


def nifti_images(root: Path, paths: Sequence[Path]) -> list[Found]:
    """The NIfTI images of a tree; a file named like another with `_mask`, `_seg`, ... behind it is its label map."""
    stems = {path: path.name[: path.name.casefold().rindex(".nii")] for path in paths}
    masks: dict[tuple[Path, str], Path] = {}
    for path, stem in stems.items():
        start, _, last = stem.replace("-", "_").rpartition("_")
        if last.casefold() in _MASK_WORDS:
            masks[path.parent, start.casefold()] = path
    images = []
    for path, stem in stems.items():
        if path in masks.values():
            continue
        mask = masks.get((path.parent, stem.replace("-", "_").casefold()))
        images.append(Found(path, _folders(root, path.parent), description=stem, order=str(path), mask=mask))
    return images


def _folders(root: Path, folder: Path) -> tuple[str, ...]:
    return folder.relative_to(root).parts


def _parts(items: Sequence[Part], size: int) -> list[list[Part]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
