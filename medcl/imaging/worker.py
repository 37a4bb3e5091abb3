"""What a worker process of `medcl preprocess` does with one image.

Imported by freshly started processes, so it must stay light: NumPy and nibabel, no torch, no pandas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medcl.imaging.prepare import prepare_contents
from medcl.imaging.recipe import Recipe
from medcl.imaging.source import Source
from medcl.imaging.store_writer import is_intact, write_files
from medcl.imaging.stored_volume import StoredVolume, stored_volume
from medcl.study.errors import BadInput, RunFailed
from medcl.study.files import Unsettled


@dataclass(frozen=True)
class Job:
    """One image to prepare.

    Attributes:
        names: case, patient, exam, sequence, modality, site.
        source: its files and centre.
        recipe: what to do.
        folder: the store; None only checks that the image can be prepared, and writes nothing.
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
    """What became of a job: its entry, or its problems; its files may be noted once all of `unsettled` are settled."""

    status: Literal["prepared", "kept", "bad"]
    entry: StoredVolume | None = None
    problems: tuple[str, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()


def work(job: Job) -> Outcome:
    """Prepare and write one image, or keep what an earlier run stored of the same files with the same recipe.

    Raises:
        RunFailed: the disk is full or cannot be written to, or memory is short.
    """
    try:
        return _work(job)
    except BadInput as error:
        return Outcome("bad", problems=tuple(error.problems))
    except MemoryError as error:
        raise RunFailed(
            f"{job.source.image}: not enough memory to prepare it; use fewer --workers and run again: "
            "what was prepared is kept."
        ) from error


def _work(job: Job) -> Outcome:
    contents = job.source.read()
    key = contents.key(job.recipe)
    known = job.known
    if known is not None and job.folder is not None and known.key == key and is_intact(job.folder, known):
        return Outcome("kept", known.renamed(job.names))
    prepared = prepare_contents(contents, job.recipe)
    entry = stored_volume(job.names, prepared, job.recipe.key(), key)
    written = () if job.folder is None else write_files(job.folder, entry, prepared, job.mark)
    return Outcome("prepared", entry, unsettled=written)
