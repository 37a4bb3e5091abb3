"""What a worker process of `medcl preprocess --check` does with the images of an exam: find what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from medcl.imaging.labels import decode_labels
from medcl.imaging.prepare import decode_source, prepare_volumes
from medcl.imaging.source import Contents, Source
from medcl.imaging.stored_volume import StoredVolume, stored_volume
from medcl.imaging.suspicions import suspicions, voxel_axes
from medcl.imaging.volume import Volume
from medcl.imaging.worker import Job, attempt, problems_of
from medcl.study.errors import BadInput, RunFailed

Result = TypeVar("Result")


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        errors: why the image cannot be used, image and mask both looked at.
        warnings: what is odd about it.
        entry: what the manifest would hold, None with errors.
        axes: which way its stored voxels run ("LAS"), "" where unknown.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    entry: StoredVolume | None
    axes: str


def check_together(exam: Sequence[Job]) -> list[Checked]:
    """Do with the images of an exam all that `medcl preprocess` would, write nothing, and tell every error and oddity.

    Raises:
        RunFailed: memory is short.
    """
    try:
        return _check(exam)
    except MemoryError as error:
        raise RunFailed(
            f"{exam[0].source.image}: not enough memory to check it; use fewer --workers and run again."
        ) from error


def _check(exam: Sequence[Job]) -> list[Checked]:
    recipe, looked = exam[0].recipe, [_look(job.source) for job in exam]
    checked = [Checked(tuple(each.errors), each.warnings, None, each.axes) for each in looked]
    whole = [each.contents for each in looked if each.contents is not None and not each.errors]
    if len(whole) < len(exam):
        return checked
    volumes = [(each.image, each.labels) for each in looked if each.image is not None]
    sources = [job.source for job in exam]
    try:
        prepared = prepare_volumes(volumes, sources, recipe)
    except BadInput as error:
        told = zip(checked, problems_of(error, len(exam)), strict=True)
        return [replace(each, errors=problems) for each, problems in told]
    return [
        replace(each, entry=stored_volume(job.names, image, recipe.key(), contents.key(recipe, whole)))
        for each, job, image, contents in zip(checked, exam, prepared, whole, strict=True)
    ]


@dataclass
class _Looked:
    """What reading one image and its mask gave; goes on after an error, so that all of them are told."""

    errors: list[str] = field(default_factory=list)
    contents: Contents | None = None
    image: Volume | None = None
    labels: Volume | None = None
    warnings: tuple[str, ...] = ()
    axes: str = ""

    def attempt(self, step: Callable[[], Result]) -> Result | None:
        result, problems = attempt(step)
        self.errors += problems
        return result


def _look(source: Source) -> _Looked:
    looked = _Looked()
    content, mask = looked.attempt(source.image_bytes), looked.attempt(source.mask_bytes)
    if content is not None:
        looked.image = looked.attempt(partial(decode_source, content, source.image))
    if mask is not None and source.mask is not None:
        looked.labels = looked.attempt(partial(decode_labels, mask, source.mask, looked.image))
    if content is not None and looked.image is not None:
        looked.contents = Contents(source, content, mask)
        looked.warnings = tuple(suspicions(looked.contents, looked.image, looked.labels))
        looked.axes = voxel_axes(content, source.image)
    return looked
