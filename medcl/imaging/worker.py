"""What a worker process of `medcl preprocess` does with one image.

Imported by freshly started processes, so it must stay light: NumPy and nibabel, no torch, no pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from medcl.imaging.prepare import BadExam, prepare_together
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.store_writer import is_intact, write_files
from medcl.imaging.stored_volume import StoredVolume, stored_volume
from medcl.imaging.suspicions import without_paths
from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import Unsettled

Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """One image to prepare.

    Attributes:
        names: case, patient, exam, sequence, modality, site.
        source: its files and centre.
        recipe: what to do.
        folder: the store; None where nothing is written (`medcl.imaging.check`).
        known: its entry of an earlier run, if any.
        mark: of the StoreWriter that settles what is written.
    """

    names: Mapping[str, str]
    source: Source
    recipe: Recipe
    folder: Path | None
    known: StoredVolume | None = None
    mark: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        status: a kept image was not looked at again.
        entry: of the manifest, unless it is bad.
        problems: why it is bad.
        unsettled: files that must be settled before the entry may be noted.
        warnings: what is odd about the image.
    """

    status: Literal["prepared", "kept", "bad"]
    entry: StoredVolume | None = None
    problems: tuple[str, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()
    warnings: tuple[str, ...] = ()


def work(job: Job) -> Outcome:
    """Prepare and write one image, or keep what an earlier run stored of the same files with the same recipe.

    Raises:
        RunFailed: the disk is full or cannot be written to, or memory is short.
    """
    return work_together([job])[0]


def work_together(exam: Sequence[Job]) -> list[Outcome]:
    """As `work`, for the images of one exam, whose preparation depends on each other.

    None is prepared when one of them is bad: the others would come out otherwise without it.

    Raises:
        RunFailed: as `work`.
    """
    try:
        return _work(exam)
    except MemoryError as error:
        raise RunFailed(
            f"{exam[0].source.image}: not enough memory to prepare it; use fewer --workers and run again: "
            "what was prepared is kept."
        ) from error


def kept_together(exam: Sequence[Job]) -> list[Outcome]:
    """What `work_together` would keep of an exam; nothing where it would prepare it, or find that it cannot be read."""
    read = [attempt(job.source.read) for job in exam]
    contents = [each for each, _ in read if each is not None]
    if len(contents) < len(exam):
        return []
    return _kept(exam, [each.key(exam[0].recipe, contents) for each in contents])


def _work(exam: Sequence[Job]) -> list[Outcome]:
    recipe, folder = exam[0].recipe, exam[0].folder
    read = [attempt(job.source.read) for job in exam]
    contents = [each for each, _ in read if each is not None]
    if len(contents) < len(exam):
        return _bad(exam, [problems for _, problems in read])
    keys = [each.key(recipe, contents) for each in contents]
    if kept := _kept(exam, keys):
        return kept
    try:
        prepared = prepare_together(contents, recipe)
    except BadInput as error:
        return _bad(exam, problems_of(error, len(exam)))
    outcomes = []
    for job, key, image in zip(exam, keys, prepared, strict=True):
        odd = without_paths(image.warnings, job.source)
        entry = stored_volume(job.names, image, recipe.key(), key, odd)
        written = () if folder is None else write_files(folder, entry, image, job.mark)
        outcomes.append(Outcome("prepared", entry, unsettled=written, warnings=image.warnings))
    return outcomes


def _kept(exam: Sequence[Job], keys: Sequence[str]) -> list[Outcome]:
    """All images of an exam as they are stored; nothing where one of them is not, or of other files."""
    folder = exam[0].folder
    known = [
        job.known if job.known is not None and folder is not None and job.known.key == key else None
        for job, key in zip(exam, keys, strict=True)
    ]
    if folder is None or not all(entry is not None and is_intact(folder, entry) for entry in known):
        return []
    return [Outcome("kept", e.renamed(job.names)) for e, job in zip(known, exam, strict=True) if e is not None]


def attempt(step: Callable[[], Result]) -> tuple[Result | None, tuple[str, ...]]:
    """The result of a step, or None and why the input is bad."""
    try:
        return step(), ()
    except BadInput as error:
        return None, tuple(error.problems)


def problems_of(error: BadInput, images: int) -> list[tuple[str, ...]]:
    """What `prepare_together` found, image by image; what concerns them together stands with the first."""
    return error.by_image if isinstance(error, BadExam) else [tuple(error.problems), *[()] * (images - 1)]


def _bad(exam: Sequence[Job], problems: Sequence[tuple[str, ...]]) -> list[Outcome]:
    """Every image of an exam with its problems, or with the name of the one that has some."""
    first = next(job.names["case"] for job, found in zip(exam, problems, strict=True) if found)
    beside = f"cannot be prepared without {first}, of the same exam: correct that one."
    return [
        Outcome("bad", problems=found or (f"{job.source.image}: {beside}",))
        for job, found in zip(exam, problems, strict=True)
    ]
