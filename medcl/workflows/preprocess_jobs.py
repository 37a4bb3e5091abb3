"""The rows of a cohort as jobs of `medcl preprocess`, and what is to be said about their images together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.imaging.recipe import Recipe
from medcl.study.errors import BadInput
from medcl.study.image_filter import ImageFilter
from medcl.study.plural import counted

if TYPE_CHECKING:
    from medcl.imaging.store_writer import StoreWriter
    from medcl.imaging.stored_volume import StoredVolume
    from medcl.imaging.worker import Job
    from medcl.study.cohort import Cohort
    from medcl.workflows.region_run import RegionRun

CENTRE_COLUMNS = ("centre_x", "centre_y", "centre_z")
DIFFERENT_SPACING = 1.05
"""Ratio of the widest to the narrowest spacing of a cohort from which on the user is told."""

log = logging.getLogger("medcl")


def chosen_images(cohort: Cohort, only: Sequence[str]) -> Cohort:
    """The cohort with the images of --only alone; all of them where nothing is asked for.

    Raises:
        BadInput: a condition names no column, or no image fits.
    """
    if not only:
        return cohort
    part = ImageFilter.parse(",".join(only), "--only").only(cohort)
    log.info(f"--only {','.join(only)}: {len(part)} of {counted(len(cohort), 'image')} of {cohort.file}.")
    return part


def cohort_jobs(cohort: Cohort, recipe: Recipe, writer: StoreWriter | None) -> list[Job]:
    """One job for each row of the cohort; without a writer they write nothing.

    Raises:
        BadInput: the cohort does not hold what --roi needs.
    """
    from medcl.imaging.source import Source
    from medcl.imaging.stored_volume import NAMES
    from medcl.imaging.worker import Job

    if recipe.roi == "mask" and not (cohort.frame["mask"] != "").any():
        raise BadInput(
            f"--roi mask: {cohort.file} has no column mask with values. Add the label maps' paths, or use "
            "--roi whole or --roi centre."
        )
    centres = _centres(cohort) if recipe.roi == "centre" else {}
    jobs = []
    for row in cohort.frame.to_dict("records"):
        case = row["case"]
        jobs.append(
            Job(
                names={name: row[name] for name in NAMES},
                source=Source(
                    image=Path(row["image"]),
                    mask=Path(row["mask"]) if row["mask"] else None,
                    centre=centres.get(case),
                    modality=row["modality"],
                ),
                recipe=recipe,
                folder=writer.path if writer else None,
                known=writer.known.get(case) if writer else None,
                mark=writer.mark if writer else "",
            )
        )
    return jobs


def by_exam(jobs: Sequence[Job], cohort: Cohort, recipe: Recipe) -> list[list[Job]]:
    """The jobs that must be done together: images of a patient's exam and of one modality, where the recipe asks.

    Raises:
        BadInput: a row does not tell its exam.
    """
    if not recipe.needs_exam:
        return [[job] for job in jobs]
    without = [row for row, exam in zip(cohort.frame["row"], cohort.frame["exam"], strict=True) if not exam]
    if without:
        option = "--roi enhancement" if recipe.roi == "enhancement" else "--intensity-over exam"
        shown = ", ".join(map(str, without[:20])) + (", ..." if len(without) > 20 else "")
        raise BadInput(
            f"{cohort.file}: column 'exam' is empty in {counted(len(without), 'row')} ({shown}), and {option} needs to "
            "know which images belong together: fill it in."
        )
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(tuple(job.names[name] for name in ("patient", "exam", "modality")), []).append(job)
    return list(groups.values())


def _centres(cohort: Cohort) -> dict[str, tuple[float, float, float]]:
    """The points of --roi centre by case, RAS mm; rows where one of the three is missing are left out."""
    problems, columns = [], []
    for name in CENTRE_COLUMNS:
        try:
            variable = cohort.variable(name)
        except BadInput as error:
            problems += error.problems
            continue
        if variable.kind != "numeric":
            problems.append(f"{cohort.file}: column '{variable.header}' holds words, expected RAS mm.")
        columns.append(variable.values)
    if problems:
        raise BadInput([*problems, "--roi centre takes the point from the columns centre_x, centre_y, centre_z."])
    rows = zip(cohort.cases(), *columns, strict=True)
    return {case: (float(x), float(y), float(z)) for case, x, y, z in rows if x == x and y == y and z == z}


def notes_on(entries: Sequence[StoredVolume], recipe: Recipe, regions: RegionRun | None = None) -> list[str]:
    """What the user should know about images that can be used, and about the run that found their regions."""
    from medcl.imaging.slices import plane_of

    notes = []
    same: dict[str, list[str]] = {}
    for entry in entries:
        same.setdefault(entry.content, []).append(entry.case)
    twice = [" = ".join(cases) for cases in same.values() if len(cases) > 1]
    if twice:
        notes.append(f"The same voxels stand under several names: {_some(twice)}.")
    cut = [e for e in entries if any(n > m for n, m in zip(e.region_shape, e.shape, strict=True))]
    if cut:
        larger, was = ("is larger than", "was") if len(cut) == 1 else ("are larger than", "were")
        first = 0 if recipe.slices is None else 1  # of slices y and x are cut alone
        size = f"--{'slice-' if first else ''}size {_words(recipe.size[first:])}"
        largest = [max(e.region_shape[axis] for e in cut) for axis in range(first, 3)]
        notes.append(
            f"{len(cut)} of {counted(len(entries), 'image')} {larger} {size} and {was} cut "
            f"(up to {_words(largest)} voxels, {'y x' if first else 'z y x'})."
        )
    if recipe.slices is not None:
        planes = Counter(plane_of(entry.matrix) for entry in entries)
        if len(planes) > 1:
            told = ", ".join(f"{count} {plane}" for plane, count in planes.most_common())
            notes.append(f"Slices of different planes are in one store: images by plane are {told}.")
    notes += _different_spacings(entries, recipe)
    return notes if regions is None else [*notes, *regions.remarks(), *regions.seen_patients(entries)]


def _different_spacings(entries: Sequence[StoredVolume], recipe: Recipe) -> list[str]:
    """Of slices, the spacing within the plane; the distance of slices plays no part in 2D."""
    first, names, option = (0, "zyx", "--spacing Z Y X") if recipe.slices is None else (1, "yx", "--slice-spacing Y X")
    if recipe.spacing is not None or recipe.slice_spacing is not None or len(entries) < 2:
        return []
    spacings = [e.source_spacing if recipe.slices is None else e.spacing for e in entries]
    spans = [(min(axis), max(axis)) for axis in zip(*(spacing[first:] for spacing in spacings), strict=True)]
    if all(high <= low * DIFFERENT_SPACING for low, high in spans):
        return []
    shown = ", ".join(f"{name} {low:.3g}-{high:.3g}" for name, (low, high) in zip(names, spans, strict=True))
    return [f"Voxel spacings differ between images ({shown} mm): {option} makes them one."]


def _words(numbers: Iterable[int]) -> str:
    return " ".join(map(str, numbers))


def _some(texts: Sequence[str], most: int = 5) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
